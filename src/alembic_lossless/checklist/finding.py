"""What the checklist says of one operation, and the operation itself, in words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from alembic.operations import ops

from ..run.recorder import table_of

#: The databases' names as their makers spell them.
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mysql": "MySQL"}


class Verdict(Enum):
    """What is done about an operation; the value is the mark on the screen."""

    KEEP = "✓"
    REWRITE = "↻"
    SPLIT = "✂"
    STRIP = "-"
    ASK = "?"
    STOP = "✗"


@dataclass(frozen=True)
class Message:
    """The three things to say, with ``{subject}`` and ``{detail}`` left open."""

    what: str
    cost: str
    remedy: str


class Phase(Enum):
    """The revision that an operation goes into, in their order; the value is in its message."""

    EXPAND = ""
    FILL = "rows"
    VALIDATE = "validate"
    INDEX = "index"
    CONTRACT = "contract"


@dataclass(frozen=True)
class Finding:
    """One rule's word on one operation."""

    rule: str
    databases: tuple[str, ...]
    subject: str
    verdict: Verdict
    message: Message
    detail: str = ""
    accepted: str | None = None
    phase: Phase = Phase.EXPAND
    #: Whether a file has the operation as it is, which the rule would have written otherwise.
    is_left: bool = False

    @property
    def key(self) -> str:
        """Return what consent to it is recorded under: ``drop-column user.nickname``."""
        return f"{self.rule} {self.subject}"

    @property
    def what(self) -> str:
        """Return what the operation does that needs a word."""
        return self._fill(self.message.what)

    @property
    def cost(self) -> str:
        """Return what it would have cost."""
        return self._fill(self.message.cost)

    @property
    def remedy(self) -> str:
        """Return what was done about it, or what to do."""
        return self._fill(self.message.remedy)

    def _fill(self, template: str) -> str:
        return template.format(subject=self.subject, detail=self.detail)

    def __str__(self) -> str:
        if self.accepted:
            return f"{self.what} {self.cost} Accepted: {self.accepted} ({self.rule})"
        if self.is_left:
            names = " and ".join(NAMES[kind] for kind in self.databases)
            return (
                f"{self.what} {self.cost} This file leaves it so. A migration written for {names} "
                f"has instead: {self.remedy} ({self.rule})"
            )
        return f"{self.what} {self.cost} {self.remedy} ({self.rule})"


#: The databases that an operation runs on, by their dialects' names.
Databases = frozenset[str]

ALL_DATABASES: Databases = frozenset(NAMES)
ON_POSTGRESQL: Databases = frozenset({"postgresql"})
ON_MYSQL: Databases = frozenset({"mysql"})
ON_SQLITE: Databases = frozenset({"sqlite"})
NOT_ON_SQLITE = ALL_DATABASES - ON_SQLITE
NOT_ON_POSTGRESQL = ALL_DATABASES - ON_POSTGRESQL

_CONDITIONS = {
    NOT_ON_SQLITE: '!= "sqlite"',
    NOT_ON_POSTGRESQL: '!= "postgresql"',
    ON_SQLITE: '== "sqlite"',
    ON_POSTGRESQL: '== "postgresql"',
    ON_MYSQL: 'in ("mysql", "mariadb")',
}


def condition(databases: Databases) -> str:
    """Return what a file asks of the dialect's name, so that an operation runs on *databases*."""
    return _CONDITIONS[databases]


def databases_in_words(databases: Databases) -> str:
    """Return the databases in words; nothing where they are all."""
    if databases == ALL_DATABASES:
        return ""
    if len(databases) == 1:
        return f"{NAMES[min(databases)]} only"
    return f"not on {NAMES[min(ALL_DATABASES - databases)]}"


def databases_of(op: Any) -> Databases:
    """Return the databases of what may be in a schema, which SQLite does not have."""
    return NOT_ON_SQLITE if op.schema else ALL_DATABASES


class Reverse(Enum):
    """Stands for the reverse that Alembic's operation itself returns."""

    OWN = "own"


@dataclass(frozen=True)
class Operation:
    """An operation of a revision, and the one that undoes it.

    :param forward: Alembic's operation, or one of ours that renders as some; None where nothing
        is done on the way up.
    :param backward: what the downgrade does; None where that is nothing.
    :param databases: where it runs.
    :param phase: the revision of a change that it goes into.
    :param alone: whether it runs outside any transaction.
    :param on_enum_values: whether it maps the values of an enum, in an order of its own.
    """

    forward: Any
    backward: Any = Reverse.OWN
    databases: Databases = ALL_DATABASES
    phase: Phase = Phase.EXPAND
    alone: bool = False
    on_enum_values: bool = False

    def runs_on(self, kind: str) -> bool:
        """Tell whether the operation runs on *kind* of database."""
        return kind in self.databases

    @property
    def table(self) -> str | None:
        """Return the table that a batch would be about; None where there is no batch."""
        if self.forward is None or isinstance(self.forward, _NO_BATCH):
            return None
        return table_of(self.forward)

    def reverse(self) -> "Operation":
        """Return the operation of the downgrade."""
        backward = self.backward
        if isinstance(backward, Reverse):
            backward = self.forward.reverse()
        return replace(self, forward=backward, backward=self.forward)

    @property
    def either(self) -> Any:
        """Return the way up, or where that is nothing, the way down."""
        return self.backward if self.forward is None else self.forward

    @property
    def subject(self) -> str:
        """Name the object as people do: ``user.nickname``, ``uq_user_email``."""
        op = self.either
        table = getattr(op, "table_name", "")
        if isinstance(op, ops.AddColumnOp):
            return f"{table}.{op.column.name}"
        if column := getattr(op, "column_name", None):
            return f"{table}.{column}"
        name = getattr(op, "constraint_name", None) or getattr(op, "index_name", None)
        return str(name or table or "the database")

    def __str__(self) -> str:
        if described := getattr(self.forward, "words", None):
            return str(described)
        for kind, words in _WORDS:
            if isinstance(self.forward, kind):
                if kind is ops.AlterColumnOp:
                    return _altered(self.forward, self.subject)
                kind_of = getattr(self.forward, "constraint_type", "")
                what = _KEYS.get(kind_of, f"{kind_of} constraint")
                return words.format(
                    subject=self.subject, op=self.forward, table=self.table, what=what
                )
        return str(self.forward)


_COUNTS: dict[Any, str] = {True: "AUTO_INCREMENT", False: "no AUTO_INCREMENT"}


def _altered(op: ops.AlterColumnOp, subject: str) -> str:
    if op.modify_name:
        return f"rename column {subject} to {op.modify_name}"
    default = getattr(op.modify_server_default, "arg", op.modify_server_default)
    words = [
        f"type {op.modify_type!r}" if op.modify_type is not None else "",
        "" if op.modify_nullable is None else "may be NULL" if op.modify_nullable else "NOT NULL",
        "no default" if default is None else f"default {default}" if default is not False else "",
        "comment" if op.modify_comment is not False else "",
        _COUNTS.get(op.kw.get("autoincrement"), ""),
    ]
    changes = ", ".join(filter(None, words))
    return f"alter column {subject}: {changes}" if changes else f"alter column {subject}"


_NO_BATCH = (ops.CreateTableOp, ops.DropTableOp, ops.RenameTableOp, ops.ExecuteSQLOp)

_WORDS: Sequence[tuple[Any, str]] = [
    (ops.CreateTableOp, "create table {subject}"),
    (ops.DropTableOp, "drop table {subject}"),
    (ops.RenameTableOp, "rename table {subject} to {op.new_table_name}"),
    (ops.AddColumnOp, "add column {subject}"),
    (ops.DropColumnOp, "drop column {subject}"),
    (ops.AlterColumnOp, "alter column {subject}"),
    (ops.CreateIndexOp, "create index {subject} on {op.table_name}"),
    (ops.DropIndexOp, "drop index {subject} on {op.table_name}"),
    (ops.CreateTableCommentOp, "comment on table {subject}"),
    (ops.DropTableCommentOp, "drop the comment on table {subject}"),
    (ops.AddConstraintOp, "add {what} {subject} on {table}"),
    (ops.DropConstraintOp, "drop {what} {subject} on {table}"),
    (ops.ExecuteSQLOp, "execute {op.sqltext}"),
]

_KEYS = {"foreignkey": "foreign key", "primary": "primary key", "primarykey": "primary key"}


def is_rename(op: Any) -> bool:
    """Tell whether *op* gives a table or a column another name."""
    column = isinstance(op, ops.AlterColumnOp) and op.modify_name is not None
    return column or isinstance(op, ops.RenameTableOp)


def is_comment(op: Any) -> bool:
    """Tell whether *op* changes a column's comment: nothing else does then, in what is proposed."""
    return isinstance(op, ops.AlterColumnOp) and op.modify_comment is not False


def flatten(container: Any) -> list[Operation]:
    """Return the operations of an Alembic container, one operation each."""
    operations: list[Operation] = []
    for op in container.ops:
        operations.extend(flatten(op) if isinstance(op, ops.OpContainer) else [Operation(op)])
    return operations
