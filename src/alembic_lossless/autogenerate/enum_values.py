"""The values of an enum that went and came: renamed, or replaced in the rows, as a person says."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alembic.operations import ops
from sqlalchemy import CheckConstraint, Enum

from ..checklist.answers import Answers
from ..checklist.columns import without_check
from ..checklist.data_operations import Fill
from ..checklist.finding import ALL_DATABASES, Finding, Message, Operation, Verdict
from ..checklist.rules import message
from ..checklist.rules.enums import native
from ..checklist.rules.postgresql import quote
from ..quoting import literal
from ..schema.diff import Change
from ..schema.model import Key, values_of
from .comparison import ComparedDatabase, Lookup
from .replayed import name_of
from .to_operations import operations_for

_REMOVED = Message(
    "The value {subject} goes.",
    "A row that holds it {detail}.",
    "Say what such rows get instead (fill=), or that there are none.",
)
_STOPS = "stops the revision"
_UNREADABLE = "is refused by no database, and the application fails on it (LookupError)"


@dataclass
class ChangedEnum:
    """An enum with other values than before: its columns, and what holds them on each database."""

    columns: list[tuple[str, Any]]
    gone: list[str]
    come: list[str]
    differing: dict[str, list[Change]] = field(default_factory=dict)
    #: Whether no database knows the values.
    unchecked: bool = False

    def subject(self, value: str) -> str:
        """Name one of the values: ``book.status.wanted``."""
        table, column = self.columns[0]
        return f"{table}.{column.name}.{value}"


@dataclass(frozen=True)
class ValueMapping:
    """The rows that hold *old* get *new*; it is the same value where it is a *rename*."""

    old: str
    new: str
    rename: bool

    def fill(self, table: str, column: str, beside: bool) -> Iterator[Operation]:
        """Yield the operations that change the rows of a column, there and back.

        They are two, because the way there may become a revision of its own, behind a new CHECK
        that does not look at the rows yet; the way back is before the old CHECK in any case.
        """
        if self.rename:
            yield Operation(None, Fill(table, column, literal(self.old), self.new))
        yield Operation(Fill(table, column, literal(self.new), self.old, beside), None)


def map_values(
    databases: Sequence[ComparedDatabase], answers: Answers
) -> tuple[list[Operation], list[Finding]]:
    """Return what lets rows follow a value, and a finding for each value that goes."""
    operations: list[Operation] = []
    findings: list[Finding] = []
    checked = list(_changed_enums(databases))
    for enum in [*checked, *_unchecked(databases, checked)]:
        kinds, come, pairs = tuple(enum.differing), list(enum.come), []
        for old in enum.gone:
            subject = enum.subject(old)
            new = _renamed(enum, old, come, answers)
            replacement = new or _replaced(enum, old, come, answers)
            if replacement:
                pairs.append(ValueMapping(old, replacement, rename=new is not None))
            if new:
                come.remove(new)
                text = message("rename")
                findings.append(Finding("rename", kinds, subject, Verdict.KEEP, text, new))
            elif not replacement:
                why = _UNREADABLE if enum.unchecked else _STOPS
                findings.append(Finding("enum", kinds, subject, Verdict.ASK, _REMOVED, why))
        if enum.unchecked:
            operations += _fill_unchecked(enum, pairs, databases[0].lookup())
            continue
        for database in databases if pairs else ():
            lookup = database.lookup()
            of_database = list(
                _operations(enum, pairs, lookup, enum.differing.get(database.kind, []))
            )
            kinds_of = {item.key.kind for items in enum.differing.values() for item in items}
            if kinds_of == {"constraint"} and len(kinds) == len(databases):
                operations += of_database  # a CHECK is one everywhere
                break
            only = frozenset({database.kind}) if len(databases) > 1 else ALL_DATABASES
            operations += [replace(operation, databases=only) for operation in of_database]
    return [replace(operation, on_enum_values=True) for operation in operations], findings


def _changed_enums(databases: Sequence[ComparedDatabase]) -> Iterable[ChangedEnum]:
    enums: dict[Any, ChangedEnum] = {}
    for database in databases:
        for item in database.differences():
            if item.actual is None or item.expected is None:
                continue
            before = values_of(item.actual)
            for table, column in _columns(item, database):
                after = column.type.enums
                gone = [value for value in before if value not in after]
                come = [value for value in after if value not in before]
                if gone:
                    key = column.type.name if native(column.type) else (table, column.name)
                    enum = enums.setdefault(key, ChangedEnum([], gone, come))
                    enum.columns += [(table, column)] * ((table, column) not in enum.columns)
                    items = enum.differing.setdefault(database.kind, [])
                    items += [item] * (item not in items)
    return enums.values()


def _unchecked(
    databases: Sequence[ComparedDatabase], checked: Sequence[ChangedEnum]
) -> Iterator[ChangedEnum]:
    """Yield the enums that no database checks, where the chain declares values that went.

    An Enum is plain text on SQLite, unless it has a CHECK: nothing differs when a value goes.
    """
    if databases[0].options.get("compare_type", True) is False:
        return
    asked = [column for enum in checked for _, column in enum.columns]
    lookup, missing = databases[0].lookup(), databases[0].context.opts.get("missing", ())
    text_alone = {database.kind for database in (*databases, *missing)} == {"sqlite"}
    for table in lookup.metadata.tables.values():
        for column in table.columns:
            type_: Any = column.type
            if not isinstance(type_, Enum) or type_.create_constraint or column in asked:
                continue
            if type_.native_enum and not text_alone:
                continue
            declared = lookup.declared.columns.get((table.name, column.name))
            before = getattr(declared is not None and declared.type, "enums", type_.enums)
            gone = [value for value in before if value not in type_.enums]
            if gone:
                come = [value for value in type_.enums if value not in before]
                kinds: dict[str, list[Change]] = {database.kind: [] for database in databases}
                yield ChangedEnum([(table.name, column)], gone, come, kinds, unchecked=True)


def _fill_unchecked(
    enum: ChangedEnum, pairs: Sequence[ValueMapping], lookup: Lookup
) -> Iterator[Operation]:
    """Yield what lets rows follow, and says in the chain which values there are now."""
    ((table, column),) = enum.columns
    for pair in pairs:
        yield from pair.fill(table, column.name, beside=False)
    yield from _retyped(table, column, lookup)


def _retyped(table: str, column: Any, lookup: Lookup) -> Iterable[Operation]:
    key = Key(table, "column", column.name)
    return [lookup.alter_column(key, modify_type=without_check(column.type))]


def _columns(item: Change, database: ComparedDatabase) -> Iterator[tuple[str, Any]]:
    """Yield the columns whose enum the difference *item* is about."""
    dialect = database.connection.dialect
    for table in database.metadata.tables.values():
        for column in table.columns:
            if not isinstance(column.type, Enum):
                continue
            if item.key.kind == "type":
                concerned = native(column.type) is not None and column.type.name == item.key.name
            elif item.key.kind == "column":
                is_column = item.key.table == table.name and item.key.name == column.name
                concerned = is_column and bool(values_of(item.actual))
            else:
                concerned = item.key.table == table.name and any(
                    name_of(check, dialect) == item.key.name
                    for check in table.constraints
                    if isinstance(check, CheckConstraint)
                    and getattr(check, "_type_bound", False)
                    and column.name in check.columns
                )
            if concerned:
                yield table.name, column


def _renamed(enum: ChangedEnum, old: str, come: list[str], answers: Answers) -> str | None:
    subject = enum.subject(old)
    answer = answers.renamed_to(subject)
    for new in come:
        if answer in (new, None) and answers.renamed(subject, answer or enum.subject(new)):
            return new
    return None


def _replaced(enum: ChangedEnum, old: str, come: list[str], answers: Answers) -> str | None:
    """Return the value that the rows get which hold *old*; note what would settle it."""
    subject = enum.subject(old)
    values = enum.columns[0][1].type.enums
    question = f"Which of {', '.join(values)} do the rows get that are {subject}? (Enter: none)"
    column = subject.removesuffix(f".{old}")

    def wrong(text: str) -> str:
        known = f"none of the values of {column}: {', '.join(values)}."
        return "" if not text or _bare(text) in values else f"{text!r} is {known}"

    value = answers.value(subject, question, literal(values[0]), wrong)
    if value is None and not answers.is_accepted("enum", subject):
        answers.offer_consent("enum", subject, "no row holds it")
        for new in come:
            answers.note_possible_rename(subject, new)
    return value and _bare(value)


def _bare(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] == text[-1] == "'"
    return text[1:-1].replace("''", "'") if is_quoted else text


def _operations(
    enum: ChangedEnum, pairs: Sequence[ValueMapping], lookup: Lookup, items: Sequence[Change]
) -> Iterator[Operation]:
    """Yield what is to be done on one database."""
    types = [item for item in items if item.key.kind == "type"]
    for pair in pairs if types else ():
        name = f"ALTER TYPE {quote(types[0].key.name)} RENAME VALUE "
        forward = f"{name}{literal(pair.old)} TO {literal(pair.new)}"
        backward = f"{name}{literal(pair.new)} TO {literal(pair.old)}"
        if pair.rename:
            yield Operation(ops.ExecuteSQLOp(forward), ops.ExecuteSQLOp(backward))
    for table, column in enum.columns:
        left = [pair for pair in pairs if not (types and pair.rename)]
        fills = [
            operation for p in left for operation in p.fill(table, column.name, beside=bool(types))
        ]
        item = next((item for item in items if item.key.table == table), None)
        if item is None:
            yield from fills
        elif item.key.kind == "column":
            both = Enum(*enum.gone, *column.type.enums, name=column.type.name)
            yield from [lookup.alter_column(item.key, modify_type=both), *fills]
        else:
            drop, add = operations_for(item, lookup)
            declared: Any = lookup.declared.columns.get((table, column.name))
            room = getattr(declared is not None and declared.type, "length", None)
            longer = room is not None and room < column.type.length
            yield drop
            yield from _retyped(table, column, lookup) if longer else ()
            yield from [*fills, add]
