"""Which lock a statement takes on a server, and who waits for it.

From https://www.postgresql.org/docs/current/explicit-locking.html and each command's own page;
https://mariadb.com/kb/en/innodb-online-ddl-operations-with-the-instant-alter-algorithm/ and
https://dev.mysql.com/doc/refman/8.4/en/innodb-online-ddl-operations.html.
"""

import re

_NAME = r'(?:[\w.]+|"[^"]+"|`[^`]+`)+'
_READ = "while all rows are read"
_MOMENT = "for a moment"
_ALL, _WRITES, _NOBODY = "reads and writes wait", "writes wait", "nobody waits"

#: The first that fits: a pattern, the lock, who waits and how long. ``{t}`` stands for a table.
_POSTGRESQL = [
    (r"CREATE .*INDEX CONCURRENTLY .*?\bON {t}", "SHARE UPDATE EXCLUSIVE", _NOBODY),
    (r"CREATE (?:UNIQUE )?INDEX .*?\bON {t}", "SHARE", f"{_WRITES} while it is built"),
    (r"(?:DROP|REINDEX) INDEX CONCURRENTLY ", "SHARE UPDATE EXCLUSIVE", _NOBODY),
    (r"DROP INDEX ", "ACCESS EXCLUSIVE", f"{_ALL}, {_MOMENT}"),
    (r"ALTER INDEX ", "SHARE UPDATE EXCLUSIVE", _NOBODY),
    (r"CREATE TABLE .*REFERENCES {t}", "SHARE ROW EXCLUSIVE", f"{_WRITES}, {_MOMENT}"),
    (r"DROP TABLE (?:IF EXISTS )?{t}", "ACCESS EXCLUSIVE", f"{_ALL}, {_MOMENT}"),
    (r"COMMENT ON (?:TABLE {t}|COLUMN {t}\.)", "SHARE UPDATE EXCLUSIVE", _NOBODY),
    (r"COMMENT ON CONSTRAINT .* ON {t}", "SHARE UPDATE EXCLUSIVE", _NOBODY),
    (r"(?:UPDATE|DELETE FROM) (?:ONLY )?{t}", "ROW EXCLUSIVE", "writes to the same rows wait"),
    (r"INSERT INTO {t}", "ROW EXCLUSIVE", _NOBODY),
    (r"TRUNCATE (?:TABLE )?{t}", "ACCESS EXCLUSIVE", f"{_ALL}, {_MOMENT}"),
    (r"CREATE (?:CONSTRAINT )?TRIGGER .*? ON {t}", "SHARE ROW EXCLUSIVE", f"{_WRITES}, {_MOMENT}"),
    (r"{a} VALIDATE CONSTRAINT", "SHARE UPDATE EXCLUSIVE", _NOBODY),
    (
        r"{a} ADD .*FOREIGN KEY.* REFERENCES {t}.* NOT VALID",
        "SHARE ROW EXCLUSIVE",
        f"{_WRITES}, {_MOMENT}",
    ),
    (r"{a} ADD .*FOREIGN KEY.* REFERENCES {t}", "SHARE ROW EXCLUSIVE", f"{_WRITES} {_READ}"),
    (r"{a} (?:ENABLE|DISABLE) TRIGGER", "SHARE ROW EXCLUSIVE", f"{_WRITES}, {_MOMENT}"),
    (r"{a} ALTER (?:COLUMN )?\S+ SET STATISTICS", "SHARE UPDATE EXCLUSIVE", _NOBODY),
    (r"{a} (?:SET|RESET) \(", "SHARE UPDATE EXCLUSIVE", _NOBODY),
    (r"{a} .*(?: NOT VALID| USING INDEX)", "ACCESS EXCLUSIVE", f"{_ALL}, {_MOMENT}"),
    (r"{a} ADD (?:CONSTRAINT \S+ )?CHECK", "ACCESS EXCLUSIVE", f"{_ALL} {_READ}"),
    (
        r"{a} ADD (?:CONSTRAINT \S+ )?(?:UNIQUE|PRIMARY KEY|EXCLUDE)",
        "ACCESS EXCLUSIVE",
        f"{_ALL} while its index is built",
    ),
    (
        r"{a} ALTER (?:COLUMN )?\S+ SET NOT NULL",
        "ACCESS EXCLUSIVE",
        f"{_ALL} {_READ}, unless a CHECK says so already",
    ),
    (
        r"{a} (?:ALTER (?:COLUMN )?\S+ (?:SET DATA )?TYPE"
        r"|ADD (?:COLUMN )?.*(?: STORED| SERIAL|SERIAL| IDENTITY|\(\)))",
        "ACCESS EXCLUSIVE",
        f"{_ALL} while the table is rewritten, where its rows change",
    ),
    (
        r'{a} DROP CONSTRAINT (?:IF EXISTS )?(?:"?fk_|\S+_fkey\b)',
        "ACCESS EXCLUSIVE",
        f"{_ALL}, {_MOMENT}, of the table that it points to as well",
    ),
    (r"{a} ", "ACCESS EXCLUSIVE", f"{_ALL}, {_MOMENT}"),
]
_MYSQL = [
    (r"CREATE (?:FULLTEXT|SPATIAL) INDEX .*?\bON {t}", "LOCK=SHARED", f"{_WRITES}"),
    (r"CREATE .*INDEX .*?\bON {t}", "LOCK=NONE", _NOBODY),
    (r"DROP INDEX .*\bON {t}", "LOCK=NONE", _NOBODY),
    (r"DROP TABLE (?:IF EXISTS )?{t}", "LOCK=EXCLUSIVE", f"{_ALL}, {_MOMENT}"),
    (r"RENAME TABLE {t}", "LOCK=EXCLUSIVE", f"{_ALL}, {_MOMENT}"),
    (r"TRUNCATE (?:TABLE )?{t}", "LOCK=EXCLUSIVE", f"{_ALL}, {_MOMENT}"),
    (r"(?:UPDATE|DELETE FROM) {t}", "rows", "writes to the same rows wait"),
    (r"INSERT INTO {t}", "rows", _NOBODY),
    (r"{a} RENAME (?:TO|AS) ", "LOCK=EXCLUSIVE", f"{_ALL}, {_MOMENT}"),
    (
        r"{a} (?:MODIFY|CHANGE)",
        "LOCK=SHARED",
        f"{_WRITES} while the table is copied, where its type changes",
    ),
    (
        r"{a} (?:ADD .*(?:FOREIGN KEY|CHECK|FULLTEXT| STORED|AUTO_INCREMENT)|DROP PRIMARY KEY"
        r"|ENGINE|.*CONVERT TO)",
        "LOCK=SHARED",
        f"{_WRITES} while the table is copied",
    ),
    (r"{a} ", "LOCK=NONE", _NOBODY),
]


class Locks:
    """Tells the locks of statements in their order: a table that they made holds up nobody."""

    def __init__(self, kind: str) -> None:
        self._rules = _POSTGRESQL if kind == "postgresql" else _MYSQL if kind == "mysql" else []
        self._made: set[str] = set()

    def of(self, statement: str) -> str:
        """Name the lock that *statement* takes; nothing where it takes none that others wait for.

        :return: as in "ACCESS EXCLUSIVE on book: reads and writes wait, for a moment".
        """
        words = " ".join(statement.split())
        if made := re.match(rf"CREATE TABLE (?:IF NOT EXISTS )?({_NAME})", words, re.IGNORECASE):
            self._made.add(_plain(made[1]))
        for pattern, lock, waits in self._rules:
            here = pattern.replace("{a}", r"ALTER TABLE (?:ONLY |IF EXISTS )*{t}")
            found = re.match(here.replace("{t}", f"({_NAME})"), words, re.IGNORECASE)
            if found:
                tables = [_plain(table) for table in found.groups() if table]
                old = [table for table in tables if table not in self._made]
                on = f" on {', '.join(dict.fromkeys(old))}" if old else ""
                return f"{lock}{on}: {waits}" if old or not tables else ""
        return ""


def _plain(name: str) -> str:
    return re.sub(r'["`]', "", name).rstrip(".")
