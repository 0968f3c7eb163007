"""Reads SQL statements: what they do to which tables and columns, in the words of three databases.

This is the one place that looks at the text of a statement. It reads what decides whether rows,
tables or a transaction change, and skips expressions. What it does not know it says: the verb is
``UNKNOWN``, and a statement that runs code which does not stand in its text ``is_opaque``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

from .tokens import SQLTextError, Token, scan

#: The verb of what could not be read.
UNKNOWN = "UNKNOWN"

_WRITES = {"INSERT", "REPLACE", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY", "LOAD"}
_DEFINES = {"CREATE", "ALTER", "DROP", "RENAME", "COMMENT"}
_SESSION = {
    *("SELECT", "VALUES", "TABLE", "SHOW", "DESC", "DESCRIBE", "EXPLAIN"),
    *("SET", "RESET", "USE", "SAVEPOINT", "RELEASE"),
}
_TRANSACTION = {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"}
_OPAQUE = {"CALL", "EXECUTE", "EXEC"}
_ELSE = {
    *("ANALYZE", "ATTACH", "CHECKPOINT", "CLOSE", "CLUSTER", "DEALLOCATE", "DECLARE", "DETACH"),
    *("DISCARD", "DO", "FETCH", "FLUSH", "GRANT", "IMPORT", "KILL", "LISTEN", "LOCK", "NOTIFY"),
    *("OPTIMIZE", "PRAGMA", "PREPARE", "REFRESH", "REINDEX", "REVOKE", "SECURITY", "UNLISTEN"),
    *("UNLOCK", "VACUUM", "WITH", "XA"),
}
_VERBS = _WRITES | _DEFINES | _SESSION | _TRANSACTION | _OPAQUE | _ELSE

_OBJECTS = {
    *("TABLE", "TABLES", "INDEX", "VIEW", "TYPE", "SEQUENCE", "SCHEMA", "DATABASE", "TRIGGER"),
    *("FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE", "OPERATOR", "CAST", "COLLATION", "DOMAIN"),
    *("EXTENSION", "LANGUAGE", "ROLE", "USER", "GROUP", "SERVER", "RULE", "POLICY", "STATISTICS"),
    *("TABLESPACE", "PUBLICATION", "SUBSCRIPTION", "SYSTEM", "PRIVILEGES", "COLUMN", "CONSTRAINT"),
    *("EVENT", "PACKAGE", "CONVERSION", "TRANSFORM", "LARGE", "SEARCH", "WRAPPER", "METHOD"),
}
#: What holds statements of its own, with semicolons between them.
_BODIES = {"TRIGGER", "FUNCTION", "PROCEDURE", "EVENT", "PACKAGE"}

#: The words between an object's kind and its name.
_BEFORE_NAME = {"CONCURRENTLY", "IF", "NOT", "EXISTS", "ONLY"}

#: What ``ALTER TABLE … ADD`` and ``DROP`` may name beside a column.
_PARTS = {
    "sqlite": {"CONSTRAINT", "CHECK", "FOREIGN", "UNIQUE", "PRIMARY"},
    "postgresql": {"CONSTRAINT", "CHECK", "FOREIGN", "UNIQUE", "PRIMARY", "EXCLUDE"},
    "mysql": {
        *("CONSTRAINT", "CHECK", "FOREIGN", "UNIQUE", "PRIMARY", "INDEX", "KEY", "FULLTEXT"),
        *("SPATIAL", "PARTITION", "PERIOD", "SYSTEM"),
    },
}


class Name(NamedTuple):
    """An object's name without its quotes, and its schema's where that is said."""

    name: str
    schema: str = ""

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def folded(self) -> str:
        """The bare name, in small letters."""
        return self.name.casefold()


@dataclass(frozen=True)
class Write:
    """Rows that a statement changes.

    :param verb: INSERT, UPDATE, DELETE, REPLACE, MERGE or TRUNCATE.
    :param table: whose rows.
    :param columns: which it sets, folded; None where that is not known, or all.
    :param is_whole: whether it changes every row, for certain.
    """

    verb: str
    table: Name
    columns: frozenset[str] | None = None
    is_whole: bool = False


@dataclass(frozen=True)
class Action:
    """One change of a table, or of what belongs to it.

    :param verb: ADD, DROP, RENAME, CHANGE, MODIFY, ALTER, …: the word that the database has.
    :param object: TABLE, COLUMN, CONSTRAINT, INDEX, …; empty where the verb says it.
    :param table: which.
    :param name: of the column or other part; empty for the table itself.
    :param new_name: what it is renamed to.
    :param words: what comes after its name: keywords and bare names in capitals, and marks; what
        is quoted, and a number, is an empty one.
    """

    verb: str
    object: str
    table: Name
    name: str = ""
    new_name: str = ""
    words: tuple[str, ...] = field(default=(), repr=False)

    def has(self, *words: str) -> bool:
        """Tell whether *words* follow one another in it, outside of quotes."""
        return _follow(self.words, words)

    @property
    def drops(self) -> bool:
        """Tell whether it drops a table or a column."""
        return self.verb == "DROP" and self.object in ("TABLE", "COLUMN")

    @property
    def renames(self) -> bool:
        """Tell whether it gives a table or a column another name."""
        return self.object in ("TABLE", "COLUMN") and self.new_name not in ("", self.name)


@dataclass(frozen=True)
class Statement:
    """One statement, as far as it was read.

    :param text: from its first word on, without the semicolon.
    :param start: where that stands in the text that was read.
    :param verb: its first word, in capitals; after WITH … the word that it is about; ``UNKNOWN``.
    :param object: the kind of object that it creates, alters, drops or comments on; BODY where it
        runs statements of its own.
    :param names: of these objects, or of the tables that it writes to.
    :param on: the table that an index, trigger or constraint belongs to.
    :param actions: the changes of tables and columns.
    :param writes: the changes of rows.
    :param inner: the statements in its body, where that is run: of DO, of a compound block.
    :param words: all keywords and bare names in it in capitals, and its marks; what is quoted, and
        a number, is an empty one.
    """

    text: str
    kind: str
    start: int = 0
    verb: str = UNKNOWN
    object: str = ""
    names: tuple[Name, ...] = ()
    on: Name | None = None
    references: tuple[Name, ...] = ()
    actions: tuple[Action, ...] = ()
    writes: tuple[Write, ...] = ()
    inner: tuple["Statement", ...] = ()
    words: tuple[str, ...] = field(default=(), repr=False)

    def has(self, *words: str) -> bool:
        """Tell whether *words* follow one another in it, outside of quotes and comments."""
        return _follow(self.words, words)

    @property
    def name(self) -> Name:
        """The first object's name; an empty one where it has none."""
        return self.names[0] if self.names else Name("")

    @property
    def reads(self) -> bool:
        """Tell whether it only reads, or changes only the session: it may run again."""
        if self.writes or self.verb == UNKNOWN:
            return False
        if self.inner:  # EXPLAIN ANALYZE, SET STATEMENT … FOR
            return self.verb in _SESSION and all(inner.reads for inner in self.inner)
        if self.verb == "SELECT":
            return self.object != "TABLE"  # SELECT … INTO
        return self.verb in _SESSION or (self.verb == "DO" and self.kind == "mysql")

    @property
    def is_opaque(self) -> bool:
        """Tell whether it may do what does not stand in its text."""
        is_unread = self.verb == "DO" and self.kind == "postgresql" and self.object != "BODY"
        return (
            is_unread
            or self.verb in _OPAQUE | {UNKNOWN}
            or any(inner.is_opaque for inner in self.inner)
        )

    @property
    def begins(self) -> bool:
        """Tell whether it begins a transaction; a block of MariaDB's does not."""
        return self.verb in ("BEGIN", "START") and self.object != "BODY"

    @property
    def ends(self) -> bool:
        """Tell whether it ends the transaction, by its own words."""
        is_end = self.verb in ("COMMIT", "END", "ROLLBACK", "ABORT") and not self.is_to_savepoint
        return is_end or (self.verb == "PREPARE" and self.has("PREPARE", "TRANSACTION"))

    @property
    def is_to_savepoint(self) -> bool:
        """Tell whether it is a ROLLBACK that stays in the transaction."""
        return self.verb == "ROLLBACK" and "TO" in self.words

    @property
    def takes_away(self) -> tuple[Action, ...]:
        """What it drops or renames of tables and columns, also in its body."""
        inner = (action for statement in self.inner for action in statement.takes_away)
        return (*(a for a in self.actions if a.drops or a.renames), *inner)

    @property
    def creates(self) -> Name | None:
        """What it creates; None where it creates nothing."""
        return self.name if self.verb == "CREATE" and self.names else None

    def before(self, word: str) -> str:
        """Return its text up to the first *word* outside of quotes; all of it without one."""
        tokens = _scanned(self.text, self.kind)
        place = next((token.start for token in tokens if token.key == word), len(self.text))
        return self.text[:place]


def read(sql: str, kind: str) -> list[Statement]:
    """Read the statements of a text.

    :param sql: one statement or several.
    :param kind: the database that runs them: ``sqlite``, ``postgresql`` or ``mysql``; SQLAlchemy's
        ``mariadb`` is read as the last.
    :return: the statements in their order; comments alone are none.
    """
    reader = _read if len(sql) > _LONG else _read_again
    return list(reader(sql, "mysql" if kind == "mariadb" else kind))


#: Longer texts, such as the rows of a dump, are not kept for another time.
_LONG = 10_000


@lru_cache(maxsize=256)
def _read_again(sql: str, kind: str) -> tuple[Statement, ...]:
    return _read(sql, kind)


def _read(sql: str, kind: str) -> tuple[Statement, ...]:
    try:
        tokens = scan(sql, kind)
    except (SQLTextError, KeyError):  # or a database that nobody here knows
        text = sql.strip()
        return (Statement(text, kind, sql.index(text)),) if text else ()
    return tuple(_Reader(sql, part, kind).statement() for part in _parted(tokens) if part)


def _scanned(text: str, kind: str) -> list[Token]:
    try:
        return scan(text, kind)
    except (SQLTextError, KeyError):
        return []


def _parted(tokens: list[Token]) -> Iterator[list[Token]]:
    """Part the tokens of a text into those of its statements: at semicolons outside of bodies."""
    start = depth = 0
    for index, token in enumerate(tokens):
        key = token.key
        if key == ";" and not depth:
            yield tokens[start:index]
            start = index + 1
        elif key in ("BEGIN", "CASE") and _has_body(tokens[start : start + 14]):
            depth += 1
        elif key == "END" and depth:
            after = tokens[index + 1].key if index + 1 < len(tokens) else ""
            if after not in ("IF", "LOOP", "WHILE", "REPEAT", "FOR"):
                depth -= 1
    yield tokens[start:]


def _has_body(beginning: list[Token]) -> bool:
    keys = [token.key for token in beginning]
    if keys[0] == "BEGIN":
        return keys[1:3] == ["NOT", "ATOMIC"]
    return keys[0] == "CREATE" and any(key in _BODIES for key in keys)


def _follow(words: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    if len(wanted) == 1:
        return wanted[0] in words
    return any(words[at : at + len(wanted)] == wanted for at in range(len(words)))


#: By how much each mark leads into parentheses.
_DEPTH = {"(": 1, ")": -1}


class _Reader:
    """Reads one statement from its tokens, from left to right."""

    def __init__(self, sql: str, tokens: list[Token], kind: str) -> None:
        self.sql = sql
        self.tokens = tokens
        self.kind = kind
        self.at = 0

    @property
    def text(self) -> str:
        return self.sql[self.tokens[0].start : self.tokens[-1].end]

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(token.key for token in self.tokens)

    def peek(self, further: int = 0) -> str:
        place = self.at + further
        return self.tokens[place].key if place < len(self.tokens) else ""

    def take(self, *words: str) -> bool:
        """Step over *words* where they come next, all of them."""
        if all(self.peek(place) == word for place, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def take_any(self, words: set[str]) -> None:
        while self.peek() in words:
            self.at += 1

    def word(self) -> str:
        """Step over one token and return its word."""
        self.at += 1
        return self.peek(-1)

    def is_name(self) -> bool:
        if self.at >= len(self.tokens):
            return False
        token = self.tokens[self.at]
        # MySQL takes "x" for a name in one of its modes, SQLite everywhere.
        may_quote = self.kind == "sqlite" or token.text[:1] == '"'
        return token.kind in ("word", "quoted") or (token.kind == "string" and may_quote)

    def name(self) -> Name | None:
        """Step over a name, in its schema or not; return None where none comes next."""
        return _named(self.parts())

    def parts(self) -> list[str]:
        """Step over a name and return its parts, those between dots; none where it has no end."""
        parts: list[str] = []
        while self.is_name():
            parts.append(self.tokens[self.at].name)
            self.at += 1
            if not self.take("."):
                return parts
        return []

    def names(self) -> tuple[Name, ...]:
        """Step over names with commas between them."""
        names = []
        while name := self.name():
            names.append(name)
            self.take("*")  # PostgreSQL: with the tables that inherit from it
            if not self.take(","):
                break
            self.take("ONLY")
        return tuple(names)

    def group(self) -> list[Token]:
        """Step over a pair of parentheses, and return what stands between them."""
        start = self.at + 1
        self.skip()
        return self.tokens[start : self.at - 1]

    def skip(self) -> None:
        """Step over one token, or over all between a pair of parentheses."""
        depth = 0
        while self.at < len(self.tokens):
            depth += _DEPTH.get(self.word(), 0)
            if depth <= 0:
                return

    def skip_to(self, *words: str) -> bool:
        """Step forward to one of *words* outside of parentheses; tell whether there is one."""
        while self.at < len(self.tokens):
            if self.peek() in words:
                return True
            self.skip()
        return False

    def below(self, tokens: list[Token]) -> Statement:
        """Read the statement that *tokens* of this one are."""
        return _Reader(self.sql, tokens, self.kind).statement()

    def statement(self) -> Statement:
        """Read it all; what does not have the form that its verb asks for is UNKNOWN."""
        if not self.tokens:
            return Statement("", self.kind)
        while self.peek() == "(":  # (SELECT …) UNION …
            self.at += 1
        verb = self.word()
        empty = Statement(self.text, self.kind, self.tokens[0].start, words=self.words)
        if verb not in _VERBS:
            return empty
        read_it: Callable[[Statement], Statement | None]
        read_it = getattr(self, f"_{verb.lower()}", lambda statement: statement)
        return read_it(replace(empty, verb=verb)) or empty

    # Rows

    def _with(self, statement: Statement) -> Statement | None:
        self.take("RECURSIVE")
        writes: tuple[Write, ...] = ()
        while True:
            if self.name() is None:
                return None
            if self.peek() == "(":
                self.skip()
            if not self.take("AS"):
                return None
            self.take_any({"NOT", "MATERIALIZED"})
            if self.peek() != "(":
                return None
            if part := self.group():
                writes += self.below(part).writes
            while self.at < len(self.tokens) and self.peek() != "," and self.peek() not in _VERBS:
                if self.peek() == "(":  # WITH … (SELECT …)
                    break
                self.skip()  # SEARCH, CYCLE
            if not self.take(","):
                break
        if self.at >= len(self.tokens):
            return None
        main = self.below(self.tokens[self.at :])
        if main.verb == UNKNOWN:
            return None
        return replace(
            main,
            text=self.text,
            start=self.tokens[0].start,
            words=self.words,
            writes=writes + main.writes,
        )

    def _select(self, statement: Statement) -> Statement:
        if self.kind == "postgresql" and self.skip_to("INTO", "FROM") and self.take("INTO"):
            self.take_any({"TEMP", "TEMPORARY", "UNLOGGED", "TABLE"})
            name = self.name()
            return replace(statement, object="TABLE", names=(name,) if name else ())
        return statement

    def _insert(self, statement: Statement) -> Statement | None:
        is_replaced = statement.verb == "REPLACE"
        while self.peek() in ("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "OR"):
            if self.word() == "OR":
                is_replaced |= self.word() == "REPLACE"
        self.take("INTO")
        table = self.name()
        if table is None:
            return None
        if self.take("AS"):
            self.name()
        columns = None
        if self.peek() == "(" and self.peek(1) not in ("SELECT", "WITH", "VALUES"):
            columns = _columns(self.group())
        writes = [Write("REPLACE" if is_replaced else "INSERT", table, columns)]
        if self.take("SET"):  # MySQL
            writes = [replace(writes[0], columns=self._assigned((table,)).get(table))]
        while self.skip_to("DO", "DUPLICATE"):
            if self.take("DO", "UPDATE", "SET") or self.take("DUPLICATE", "KEY", "UPDATE"):
                writes.append(Write("UPDATE", table, self._assigned((table,)).get(table)))
                break
            self.at += 1
        return replace(statement, names=(table,), writes=tuple(writes))

    _replace = _insert

    def _update(self, statement: Statement) -> Statement | None:
        self.take_any({"LOW_PRIORITY", "IGNORE"})
        if self.take("OR"):
            self.at += 1
        tables = self._sources("SET")
        if not tables or not self.take("SET"):
            return None
        named = tuple(dict.fromkeys(tables.values()))
        assigned = self._assigned(named, tables)
        is_whole = len(named) == 1 and not self.skip_to("WHERE", "FROM", "LIMIT")
        writes = tuple(Write("UPDATE", t, assigned[t], is_whole) for t in named if t in assigned)
        return replace(statement, names=tuple(write.table for write in writes), writes=writes)

    def _sources(self, *ends: str) -> dict[str, Name]:
        """Step over tables, joined or not, up to one of *ends*: by folded alias and by name."""
        tables: dict[str, Name] = {}
        is_next = True
        while self.at < len(self.tokens) and self.peek() not in (*ends, "WHERE"):
            if is_next:
                self.take_any({"ONLY", "LATERAL"})
            if is_next and (table := self.name()):
                self.take("*")
                self.take("AS")
                tables[table.folded] = table
                if self.peek() not in (*ends, *_AFTER_TABLE) and (alias := self.name()):
                    del tables[table.folded]
                    tables[alias.folded] = table
                is_next = False
                continue
            is_next = self.peek() in (",", "JOIN", "STRAIGHT_JOIN")
            self.skip()
        return tables

    def _assigned(
        self, tables: tuple[Name, ...], aliases: dict[str, Name] | None = None
    ) -> dict[Name, frozenset[str] | None]:
        """Step over assignments; return the columns of each table that they set."""
        columns: dict[Name, set[str] | None] = {}
        by_alias = aliases or {table.folded: table for table in tables}
        while self.at < len(self.tokens):
            if self.peek() == "(":
                for name in _columns(self.group()) or {""}:
                    _note(columns, tables, name)
            elif column := self.name():
                table = by_alias.get(column.schema.casefold())
                _note(columns, (table,) if table else tables, column.folded)
            self.take(":")  # MySQL's :=
            if not self.take("="):
                _note(columns, tables, "")
            if not self.skip_to(",", "WHERE", "FROM", "RETURNING", "ORDER", "LIMIT", "ON"):
                break
            if not self.take(","):
                break
        return {
            table: frozenset(names) if names is not None else None
            for table, names in columns.items()
        }

    def _delete(self, statement: Statement) -> Statement | None:
        self.take_any({"LOW_PRIORITY", "QUICK", "IGNORE"})
        is_from = self.take("FROM")
        self.take("ONLY")
        start = self.at
        names = self.names()
        if not names:
            return None
        if self.kind == "mysql" and (not is_from or len(names) > 1 or self.peek() == "USING"):
            if not (self.take("FROM") or self.take("USING")):
                return None
            sources = self._sources()
            names = tuple(sources.get(name.folded, name) for name in names)
            writes = tuple(Write("DELETE", name) for name in names)
            return replace(statement, names=names, writes=writes)
        self.at = start
        self.name()
        is_whole = not self.skip_to("WHERE", "USING", "LIMIT")
        write = Write("DELETE", names[0], is_whole=is_whole)
        return replace(statement, names=names[:1], writes=(write,))

    def _merge(self, statement: Statement) -> Statement | None:
        self.take("INTO")
        self.take("ONLY")
        table = self.name()
        if table is None:
            return None
        return replace(statement, names=(table,), writes=(Write("MERGE", table),))

    def _truncate(self, statement: Statement) -> Statement | None:
        self.take("TABLE")
        self.take("ONLY")
        names = self.names()
        writes = tuple(Write("TRUNCATE", name, is_whole=True) for name in names)
        return replace(statement, names=names, writes=writes) if names else None

    def _copy(self, statement: Statement) -> Statement | None:
        if self.peek() == "(":
            inner = self.below(self.group())
            return replace(statement, inner=(inner,), writes=inner.writes)
        table = self.name()
        if table is None:
            return None
        columns = _columns(self.group()) if self.peek() == "(" else None
        writes = (Write("INSERT", table, columns),) if self.peek() == "FROM" else ()
        return replace(statement, names=(table,), writes=writes)

    def _load(self, statement: Statement) -> Statement | None:
        is_replaced = "REPLACE" in self.words
        if not (self.skip_to("INTO") and self.take("INTO", "TABLE")):
            return statement  # LOAD of a library
        table = self.name()
        if table is None:
            return None
        write = Write("REPLACE" if is_replaced else "INSERT", table)
        return replace(statement, names=(table,), writes=(write,))

    # Objects

    def _object(self) -> str:
        """Step to the kind of object that CREATE, ALTER, DROP or COMMENT is about."""
        while self.at < len(self.tokens):
            if self.peek() == "EVENT" and self.peek(1) == "TRIGGER":
                self.at += 1
            if self.peek() in _OBJECTS and self.peek(1) != "OR":
                is_whole = self.peek() != "CONSTRAINT" or self.peek(1) != "TRIGGER"
                if is_whole:
                    return self.word()
            if self.peek() == "(":
                return ""
            self.at += 1
        return ""

    def _create(self, statement: Statement) -> Statement | None:
        object_ = self._object()
        if not object_:
            return None
        self.take_any(_BEFORE_NAME)
        name = self.name() if self.peek() != "ON" or self.peek(1) == "ON" else None
        on = None
        if object_ in ("INDEX", "TRIGGER") and self.skip_to("ON"):
            self.at += 1
            self.take("ONLY")
            on = self.name()
            if on is None:
                return None
        return replace(
            statement,
            object=object_,
            names=(name,) if name else (),
            on=on,
            references=_references(self.tokens, self.kind),
        )

    def _drop(self, statement: Statement) -> Statement | None:
        object_ = self._object()
        if not object_:
            return None
        self.take_any(_BEFORE_NAME)
        names = self.names()
        if not names:
            return None if object_ == "TABLE" else replace(statement, object=object_)
        on = self.name() if self.take("ON") else None
        object_ = "TABLE" if object_ == "TABLES" else object_
        actions = tuple(Action("DROP", "TABLE", name) for name in names if object_ == "TABLE")
        return replace(statement, object=object_, names=names, on=on, actions=actions)

    def _reindex(self, statement: Statement) -> Statement:
        if self.peek() == "(":
            self.skip()
        object_ = self._object()
        self.take_any(_BEFORE_NAME)
        name = self.name()
        return replace(statement, object=object_, names=(name,) if name else ())

    def _comment(self, statement: Statement) -> Statement | None:
        if not self.take("ON"):
            return None
        object_, parts = self._object(), self.parts()
        if object_ == "COLUMN":
            name, on = _named(parts[-1:]), _named(parts[:-1])
        else:
            name, on = _named(parts), self.name() if self.take("ON") else None
        return replace(statement, object=object_, names=(name,) if name else (), on=on)

    def _take_waiting(self) -> None:
        """Step over how long MariaDB is to wait for the table."""
        if not self.take("NOWAIT") and self.take("WAIT"):
            self.at += 1

    def _rename(self, statement: Statement) -> Statement | None:
        if not (self.take("TABLE") or self.take("TABLES")):
            return statement
        self.take_any(_BEFORE_NAME)
        actions = []
        while old := self.name():
            self._take_waiting()
            if not self.take("TO") or (new := self.name()) is None:
                return None
            actions.append(Action("RENAME", "TABLE", old, old.name, new.name))
            if not self.take(","):
                break
        names = tuple(action.table for action in actions)
        return replace(statement, object="TABLE", names=names, actions=tuple(actions))

    def _alter(self, statement: Statement) -> Statement | None:
        object_ = self._object()
        self.take_any(_BEFORE_NAME)
        if not object_:
            return None
        name = self.name()
        if object_ != "TABLE":
            return replace(statement, object=object_, names=(name,) if name else ())
        if name is None:
            return None
        self.take("*")
        self._take_waiting()
        actions = []
        for clause in _listed(self.tokens[self.at :]):
            reader = _Reader(self.sql, clause, self.kind)
            action = reader.action(name)
            if action is None:
                return None
            actions.append(replace(action, words=reader.words[reader.at :]))
        references = _references(self.tokens, self.kind)
        return replace(
            statement,
            object="TABLE",
            names=(name,),
            actions=tuple(actions),
            references=references,
        )

    def action(self, table: Name) -> Action | None:
        """Read one clause of ALTER TABLE, which is all the tokens of this reader."""
        verb = self.word()
        action = Action(verb, "", table)
        if verb in ("ADD", "DROP"):
            return self._part(action)
        if verb == "RENAME":
            return self._renamed(action)
        if verb in ("CHANGE", "MODIFY", "ALTER"):
            if verb == "ALTER" and self.peek() in ("CONSTRAINT", "INDEX", "CHECK"):
                action = replace(action, object=self.word())
            else:
                self.take("COLUMN")
                action = replace(action, object="COLUMN")
            self.take_any(_BEFORE_NAME)
            name = self.name()
            new = self.name() if verb == "CHANGE" else None
            if name is None or (verb == "CHANGE" and new is None):
                return None
            return replace(action, name=name.name, new_name=new.name if new else "")
        return action

    def _part(self, action: Action) -> Action | None:
        """Read what ADD or DROP is about."""
        if self.peek() in _PARTS[self.kind] and not self._is_column():
            object_ = self.word()
            if object_ in ("FOREIGN", "PRIMARY", "FULLTEXT", "SPATIAL", "UNIQUE"):
                self.take_any({"KEY", "INDEX"})
            self.take_any(_BEFORE_NAME)
            name = self.name() if object_ != "PRIMARY" and self.peek() != "(" else None
            return replace(action, object=object_, name=name.name if name else "")
        self.take("COLUMN")
        self.take_any(_BEFORE_NAME)
        self.take("(")  # MySQL's ADD (a INT, b INT)
        name = self.name()
        if name is None:
            return None
        return replace(action, object="COLUMN", name=name.name)

    def _is_column(self) -> bool:
        """Tell whether a word that may stand for a constraint is the name of a column here."""
        is_last = self.at + 1 >= len(self.tokens)
        return is_last and self.peek() not in ("PRIMARY", "PERIOD")

    def _renamed(self, action: Action) -> Action | None:
        if self.peek() in ("TO", "AS", "="):
            self.at += 1
        elif self.peek() in ("CONSTRAINT", "INDEX", "KEY") and len(self.tokens) > self.at + 3:
            object_ = self.word()
            return self._from_to(action, object_)
        elif len(self.tokens) > self.at + 2 and "TO" in self.words:
            if self.peek(1) != "TO":
                self.take("COLUMN")
            self.take_any(_BEFORE_NAME)
            return self._from_to(action, "COLUMN")
        new = self.name()
        if new is None:
            return None
        return replace(action, object="TABLE", name=action.table.name, new_name=new.name)

    def _from_to(self, action: Action, object_: str) -> Action | None:
        old = self.name()
        new = self.name() if self.take("TO") else None
        if old is None or new is None:
            return None
        return replace(action, object=object_, name=old.name, new_name=new.name)

    # Sessions, transactions, and what has a body

    def _set(self, statement: Statement) -> Statement:
        if self.kind == "mysql" and self.take("STATEMENT") and self.skip_to("FOR"):
            inner = self.below(self.tokens[self.at + 1 :])
            return replace(statement, inner=(inner,), writes=inner.writes, object="STATEMENT")
        return statement

    def _explain(self, statement: Statement) -> Statement:
        runs = "ANALYZE" in self.words
        while self.at < len(self.tokens) and (self.peek() == "(" or self.peek() not in _VERBS):
            self.skip()
        if self.take("ANALYZE"):
            self.take("VERBOSE")
        if not runs or self.at >= len(self.tokens):
            return statement
        inner = self.below(self.tokens[self.at :])
        return replace(statement, inner=(inner,), writes=inner.writes)

    def _analyze(self, statement: Statement) -> Statement:
        if self.kind == "mysql" and self.peek() in (*_WRITES, "SELECT", "WITH", "FORMAT"):
            return self._explain(replace(statement, verb="EXPLAIN"))
        return statement

    def _begin(self, statement: Statement) -> Statement:
        if self.take("NOT", "ATOMIC"):
            inner = _inside(self.sql, self.tokens[self.at - 3 :], self.kind)
            return _with_body(statement, inner)
        return statement

    def _do(self, statement: Statement) -> Statement:
        quoted = [token.name for token in self.tokens if token.kind in ("body", "string")]
        is_other_language = "LANGUAGE" in self.words and "PLPGSQL" not in self.words
        if self.kind != "postgresql" or len(quoted) != 1 or is_other_language:
            return statement
        (text,) = quoted
        if text.startswith("$"):
            quote = text[: text.index("$", 1) + 1]
            text = text[len(quote) : -len(quote)]
        return _with_body(statement, _inside(text, _scanned(text, self.kind), self.kind))


_AFTER_TABLE = {
    *("JOIN", "INNER", "LEFT", "RIGHT", "CROSS", "NATURAL", "STRAIGHT_JOIN", "FULL", ",", "ON"),
    *("USING", "SET", "WHERE", "ORDER", "LIMIT", "FROM", "INDEXED", "NOT", "RETURNING", "USE"),
    *("FORCE", "IGNORE", "PARTITION", ""),
}


def _with_body(statement: Statement, inner: tuple[Statement, ...]) -> Statement:
    writes = tuple(write for each in inner for write in each.writes)
    return replace(statement, object="BODY", inner=inner, writes=writes)


def _inside(sql: str, tokens: list[Token], kind: str) -> tuple[Statement, ...]:
    """Read the statements of a body; control flow and assignments are left out."""
    inner: list[Statement] = []
    part: list[Token] = []
    for token in [*tokens, Token("mark", ";", 0, 0)]:
        is_statement = bool(part) and part[0].key in _IN_BODY
        if token.key == ";" and is_statement:
            inner.append(_Reader(sql, part, kind).statement())
        if token.key == ";" or (token.key in _BEFORE_STATEMENT and not is_statement):
            part = []
        else:
            part.append(token)
    return tuple(inner)


#: What begins a statement in a body, and after which words one may begin there.
_IN_BODY = _VERBS - {"BEGIN", "START", "END", "SELECT", "SET"}
_BEFORE_STATEMENT = {"BEGIN", "THEN", "ELSE", "LOOP", "IN", "QUERY", "ATOMIC"}


def _named(parts: list[str]) -> Name | None:
    """Return a name by its parts; None where there is none."""
    return Name(parts[-1], parts[-2] if len(parts) > 1 else "") if parts else None


def _listed(tokens: list[Token]) -> Iterator[list[Token]]:
    """Part *tokens* at the commas outside of parentheses."""
    part: list[Token] = []
    depth = 0
    for token in tokens:
        depth += _DEPTH.get(token.key, 0)
        if token.key == "," and not depth:
            yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part


def _columns(tokens: list[Token]) -> frozenset[str] | None:
    """Return the folded names in a list of columns; None where it holds something else."""
    parts = list(_listed(tokens))
    named = [part[-1] for part in parts if part]
    if any(token.kind not in ("word", "quoted", "string") for token in named):
        return None
    return frozenset(token.name.casefold() for token in named)


def _note(columns: dict[Name, set[str] | None], tables: tuple[Name, ...], column: str) -> None:
    """Note that *column* is set: of one table, or of one of several; empty for any."""
    for table in tables:
        known = columns.setdefault(table, set())
        if not column or len(tables) > 1:
            columns[table] = None
        elif known is not None:
            known.add(column)


def _references(tokens: list[Token], kind: str) -> tuple[Name, ...]:
    names = []
    for place, token in enumerate(tokens):
        if token.key == "REFERENCES":
            name = _Reader("", tokens[place + 1 :], kind).name()
            if name:
                names.append(name)
    return tuple(dict.fromkeys(names))
