"""Which lock a statement takes on a server, and who waits for it.

From https://www.postgresql.org/docs/current/explicit-locking.html and each command's own page;
https://mariadb.com/kb/en/innodb-online-ddl-operations-with-the-instant-alter-algorithm/ and
https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html.
"""

from typing import NamedTuple

from ..statements import Action, Name, Statement, read

_READ = "while all rows are read"
_MOMENT = "for a moment"
_ALL, _WRITES, _NOBODY = "reads and writes wait", "writes wait", "nobody waits"
_SAME_ROWS = "writes to the same rows wait"


class Lock(NamedTuple):
    """A lock of a server's: its name, who waits for it and how long, and on which tables it is."""

    name: str
    waits: str
    tables: tuple[Name, ...] = ()


#: PostgreSQL's, the weakest first.
_STRENGTHS = (
    *("ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE"),
    *("ACCESS EXCLUSIVE", "LOCK=NONE", "LOCK=SHARED", "LOCK=EXCLUSIVE"),
)


def _of_postgresql(statement: Statement) -> Lock | None:
    """Return the lock that *statement* takes on PostgreSQL; None where none counts."""
    verb, object_, names = statement.verb, statement.object, statement.names
    on = (statement.on,) if statement.on else ()
    is_concurrent = statement.has("CONCURRENTLY")
    if object_ == "INDEX" and verb in ("CREATE", "DROP", "REINDEX") and is_concurrent:
        return Lock("SHARE UPDATE EXCLUSIVE", _NOBODY, on)
    match verb, object_:
        case "CREATE", "INDEX":
            return Lock("SHARE", f"{_WRITES} while it is built", on)
        case "DROP", "INDEX":
            return Lock("ACCESS EXCLUSIVE", f"{_ALL}, {_MOMENT}")
        case "ALTER", "INDEX":
            return Lock("SHARE UPDATE EXCLUSIVE", _NOBODY)
        case "CREATE", "TABLE" if statement.references:
            return Lock("SHARE ROW EXCLUSIVE", f"{_WRITES}, {_MOMENT}", statement.references)
        case "CREATE", "TRIGGER":
            return Lock("SHARE ROW EXCLUSIVE", f"{_WRITES}, {_MOMENT}", on)
        case ("DROP", "TABLE") | ("TRUNCATE", _):
            return Lock("ACCESS EXCLUSIVE", f"{_ALL}, {_MOMENT}", names)
        case "COMMENT", "TABLE":
            return Lock("SHARE UPDATE EXCLUSIVE", _NOBODY, names)
        case "COMMENT", "COLUMN" | "CONSTRAINT":
            return Lock("SHARE UPDATE EXCLUSIVE", _NOBODY, on)
        case (("UPDATE" | "DELETE"), _):
            return Lock("ROW EXCLUSIVE", _SAME_ROWS, names)
        case "INSERT", _:
            return Lock("ROW EXCLUSIVE", _NOBODY, names)
        case "ALTER", "TABLE":
            locks = [_of_postgresql_action(each, statement) for each in statement.actions]
            return _strongest(locks)
    return None


def _of_postgresql_action(action: Action, statement: Statement) -> Lock:
    """Return the lock of one clause of ALTER TABLE: the page of that command lists them."""
    verb, on = action.verb, (action.table,)
    is_column = action.object == "COLUMN"
    added = {action.object, *action.words} if verb == "ADD" and not is_column else set()
    if verb == "VALIDATE" or (verb in ("SET", "RESET") and action.words[:1] == ("(",)):
        return Lock("SHARE UPDATE EXCLUSIVE", _NOBODY, on)
    if verb == "ALTER" and action.words[:2] == ("SET", "STATISTICS"):
        return Lock("SHARE UPDATE EXCLUSIVE", _NOBODY, on)
    if "FOREIGN" in added:
        waits = f"{_WRITES}, {_MOMENT}" if action.has("NOT", "VALID") else f"{_WRITES} {_READ}"
        return Lock("SHARE ROW EXCLUSIVE", waits, (*on, *statement.references))
    if verb in ("ENABLE", "DISABLE") and action.has("TRIGGER"):
        return Lock("SHARE ROW EXCLUSIVE", f"{_WRITES}, {_MOMENT}", on)
    waits = f"{_ALL}, {_MOMENT}"
    if action.has("NOT", "VALID") or action.has("USING", "INDEX"):
        pass
    elif "CHECK" in added:
        waits = f"{_ALL} {_READ}"
    elif added & {"UNIQUE", "PRIMARY", "EXCLUDE"}:
        waits = f"{_ALL} while its index is built"
    elif verb == "ALTER" and action.words[:3] == ("SET", "NOT", "NULL"):
        waits = f"{_ALL} {_READ}, unless a CHECK says so already"
    elif is_column and _is_rewritten(action):
        waits = f"{_ALL} while the table is rewritten, where its rows change"
    elif verb == "DROP" and action.object == "CONSTRAINT" and _is_foreign_key(action.name):
        waits = f"{waits}, of the table that it points to as well"
    return Lock("ACCESS EXCLUSIVE", waits, on)


def _is_rewritten(action: Action) -> bool:
    """Tell whether a column is added or changed in such a way that rows may be written anew."""
    if action.verb == "ALTER":
        return action.words[:1] == ("TYPE",) or action.words[:3] == ("SET", "DATA", "TYPE")
    is_filled = {"STORED", "IDENTITY", "SERIAL", "BIGSERIAL", "SMALLSERIAL"} & {*action.words}
    return action.verb == "ADD" and (bool(is_filled) or action.has("(", ")"))


def _is_foreign_key(name: str) -> bool:
    """Tell by its name whether a constraint is a foreign key; the statement does not say."""
    return name.startswith("fk_") or name.endswith("_fkey")


def _of_mysql(statement: Statement) -> Lock | None:
    """Return the lock that *statement* takes on MySQL and MariaDB; None where none counts."""
    verb, object_, names = statement.verb, statement.object, statement.names
    on = (statement.on,) if statement.on else ()
    match verb, object_:
        case "CREATE", "INDEX" if statement.has("FULLTEXT") or statement.has("SPATIAL"):
            return Lock("LOCK=SHARED", _WRITES, on)
        case (("CREATE" | "DROP"), "INDEX"):
            return Lock("LOCK=NONE", _NOBODY, on)
        case (("DROP" | "RENAME"), "TABLE") | ("TRUNCATE", _):
            return Lock("LOCK=EXCLUSIVE", f"{_ALL}, {_MOMENT}", names)
        case (("UPDATE" | "DELETE"), _):
            return Lock("rows", _SAME_ROWS, names)
        case "INSERT", _:
            return Lock("rows", _NOBODY, names)
        case "ALTER", "TABLE":
            return _strongest([_of_mysql_action(action) for action in statement.actions])
    return None


def _of_mysql_action(action: Action) -> Lock:
    verb, on = action.verb, (action.table,)
    if verb == "RENAME" and action.object == "TABLE":
        return Lock("LOCK=EXCLUSIVE", f"{_ALL}, {_MOMENT}", on)
    if verb in ("MODIFY", "CHANGE"):
        waits = f"{_WRITES} while the table is copied, where its type changes"
        return Lock("LOCK=SHARED", waits, on)
    copied = {"FOREIGN", "CHECK", "FULLTEXT", "STORED", "AUTO_INCREMENT"}
    is_copied = (
        (verb == "ADD" and bool(copied & {action.object, *action.words}))
        or (verb == "DROP" and action.object == "PRIMARY")
        or verb in ("ENGINE", "CONVERT")
    )
    if is_copied:
        return Lock("LOCK=SHARED", f"{_WRITES} while the table is copied", on)
    return Lock("LOCK=NONE", _NOBODY, on)


def _strongest(locks: list[Lock]) -> Lock | None:
    """Return the lock of the clauses of one statement: the strongest, held the longest."""
    return max(
        locks,
        key=lambda lock: (_STRENGTHS.index(lock.name), f", {_MOMENT}" not in lock.waits),
        default=None,
    )


class Locks:
    """Tells the locks of statements in their order: a table that they made holds up nobody."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._made: set[Name] = set()

    def of(self, sql: str) -> str:
        """Name the lock that *sql* takes; nothing where it takes none that others wait for.

        :param sql: a statement, or several of which the first that takes one counts.
        :return: as in "ACCESS EXCLUSIVE on book: reads and writes wait, for a moment".
        """
        return next(filter(None, map(self._of, read(sql, self._kind))), "")

    def _of(self, statement: Statement) -> str:
        if statement.verb == "CREATE" and statement.object == "TABLE":
            self._made |= {*statement.names}
        lock = None
        if self._kind == "postgresql":
            lock = _of_postgresql(statement)
        elif self._kind == "mysql":
            lock = _of_mysql(statement)
        if lock is None:
            return ""
        old = dict.fromkeys(str(table) for table in lock.tables if table not in self._made)
        on = f" on {', '.join(old)}" if old else ""
        return f"{lock.name}{on}: {lock.waits}" if old or not lock.tables else ""
