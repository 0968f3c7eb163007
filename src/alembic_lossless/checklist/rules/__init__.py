"""The rules of the checklist: one small function each, its message as data beside it.

To add a rule, write a function of an operation and its context and register it::

    @rule("rule-id", ["sqlite"], Verdict.STOP, on=ops.AddColumnOp,
          bad=…, good=…, what=…, cost=…, remedy=…)
    def rule_id(operation: Operation, context: ReviewContext) -> Iterator[Match]:
        ...

It yields a hit for what it has something to say about, with the operations to do instead where the
verdict is to rewrite, to strip or to split. ``scripts/reference.py`` writes each rule into
docs/reference/rules.md.
"""

import textwrap
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from alembic.operations import ops
from sqlalchemy import MetaData, Table

from ...run.recorder import table_of
from ...statements import Statement, read
from ..answers import Answers
from ..development import DevelopmentRows
from ..finding import Message, Operation, Verdict


@dataclass(frozen=True)
class ReviewContext:
    """What a rule may know: the databases in use, the models, the tables made in this revision."""

    databases: Sequence[str]
    metadata: MetaData
    created: frozenset[str] = field(default=frozenset())
    answers: Answers = field(default_factory=Answers)
    #: The enum types of PostgreSQL that are there by now; None where nobody knows.
    types: set[str] | None = None
    #: All that the revision does.
    operations: Sequence[Operation] = ()
    #: What it has done before these.
    done: Sequence[Operation] = ()
    #: What was done before the operation, where the revision is somebody's own.
    before: Sequence[Operation] = ()
    #: The tables and names of what the chain leaves to the naming convention.
    unnamed: Collection[tuple[str, str]] = ()
    rows: DevelopmentRows = field(default_factory=DevelopmentRows)
    #: Whether the file says its phase; ``migrate`` writes it.
    has_phase: bool = True

    def statements(self, op: Any) -> list[Statement]:
        """Read the raw SQL of *operation* as each database in use would; nothing where it has none.

        :param op: of Alembic's.
        """
        if not isinstance(op, ops.ExecuteSQLOp):
            return []
        sql = str(op.sqltext)
        return [statement for kind in self.databases for statement in read(sql, kind)]

    def filled(self, table: str, column: str) -> bool:
        """Tell whether the rows of a column were updated before."""
        statements = (
            each for operation in self.before for each in self.statements(operation.forward)
        )
        return any(
            write.verb == "UPDATE"
            and write.table.folded == table.casefold()
            and column.casefold() in (write.columns or ())
            for statement in statements
            for write in statement.writes
        )

    def table(self, name: str) -> Table | None:
        """Return the models' table of that name; None where they have none."""
        return next((table for table in self.metadata.tables.values() if table.name == name), None)

    def checked(self, table: str, column: str) -> bool:
        """Tell whether a CHECK said before that a column is not NULL."""
        checks = (
            s.forward for s in self.before if isinstance(s.forward, ops.CreateCheckConstraintOp)
        )
        condition = f"{column} IS NOT NULL"
        return any(c.table_name == table and str(c.condition) == condition for c in checks)


@dataclass(frozen=True)
class Match:
    """A rule applies: to which object, with what detail, and what to do instead."""

    subject: str
    detail: str = ""
    instead: list[Operation] | None = None
    verdict: Verdict | None = None


Check = Callable[[Operation, ReviewContext], Iterable[Match]]


@dataclass(frozen=True)
class Rule:
    """A rule of the checklist."""

    id: str
    databases: Sequence[str]
    verdict: Verdict
    message: Message
    check: Check
    on: Any
    old: bool
    #: What is wrong and what is right: of a migration, the body of ``upgrade``, or a whole file.
    bad: str = ""
    good: str = ""

    def concerns(self, operation: Operation, context: ReviewContext) -> bool:
        """Tell whether the rule is about what *operation* does."""
        op: Any = operation.forward
        new = self.old and table_of(op) in context.created
        return op is not None and isinstance(op, self.on) and not new


RULES: list[Rule] = []
EVERYWHERE = ["sqlite", "postgresql", "mysql"]


def rule(
    id: str,
    databases: Sequence[str],
    verdict: Verdict,
    *,
    bad: str = "",
    good: str = "",
    what: str,
    cost: str,
    remedy: str,
    on: Any = object,
    old: bool = False,
) -> Callable[[Check], Check]:
    """Register a rule for *databases*; :class:`Match` may say another verdict.

    :param bad: what a revision does that the rule is about; the first of an id needs an example.
    :param good: what it does instead. A line "# The next revision" begins another.
    :param on: the kinds of operations that it is about.
    :param old: whether it is about rows or locks, which a table made in the revision does not have.
    """

    def register(check: Check) -> Check:
        message, example = Message(what, cost, remedy), (dedented(bad), dedented(good))
        RULES.append(Rule(id, databases, verdict, message, check, on, old, *example))
        return check

    return register


def dedented(code: str) -> str:
    """Return an example as it stands in a file."""
    return textwrap.dedent(code).strip()


def message(id: str) -> Message:
    """Return what the rule *id* says."""
    return next(rule.message for rule in RULES if rule.id == id)


# They register their rules; what SQLite cannot hold is guarded before PostgreSQL's own ways.
from . import data, sqlite, mysql, postgresql, constraints, postgresql_rows, enums  # noqa: E402, F401, I001
