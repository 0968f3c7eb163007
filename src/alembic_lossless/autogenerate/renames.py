"""A drop and an add that look alike may be a rename, which keeps the rows: only a person knows."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from alembic.operations import ops
from sqlalchemy import Column

from ..checklist.answers import Answers
from ..checklist.columns import detached
from ..checklist.finding import Finding, Message, Operation, Verdict
from ..checklist.rules.casts import family
from .comparison import Lookup


def apply_renames(
    operations: Sequence[Operation], lookup: Lookup, answers: Answers
) -> list[Operation]:
    """Put renames in the place of the drops and adds that are renames, asked or told."""
    return _columns(_tables(list(operations), lookup, answers), lookup, answers)


def _tables(operations: list[Operation], lookup: Lookup, answers: Answers) -> list[Operation]:
    gone = [operation for operation in operations if isinstance(operation.forward, ops.DropTableOp)]
    come = [
        operation for operation in operations if isinstance(operation.forward, ops.CreateTableOp)
    ]
    for old in gone:
        for new in come:
            names = old.forward.table_name, new.forward.table_name
            is_renamed = answers.renamed_to(names[0]) == names[1]
            if not (is_renamed or _look_alike_tables(old.forward, new.forward)):
                continue
            if answers.renamed(*names):
                backward_only = [
                    s for s in operations if s.forward is None and s.backward.table_name == names[0]
                ]
                operations = [s for s in operations if s not in (old, new, *backward_only)]
                come.remove(new)
                rename = ops.RenameTableOp(*names, schema=old.forward.schema)
                back = ops.RenameTableOp(*reversed(names), schema=old.forward.schema)
                within = _within(old.forward, new.forward, lookup)
                operations = [Operation(rename, back), *operations, *within]
                answers.note_table_renamed(*names)
                break
            is_told = answers.renamed_to(names[0]) is not None
            if not is_told and not answers.is_accepted("drop-table", names[0]):
                answers.note_possible_rename(*names)
    return operations


def _within(old: ops.DropTableOp, new: ops.CreateTableOp, lookup: Lookup) -> Iterator[Operation]:
    """Yield what becomes of the columns of a table that is renamed: they come and go too."""
    name, before, after = new.table_name, old.to_table().columns, new.to_table().columns
    for column in before:
        if column.name not in after:
            declared = lookup.declared.columns.get((old.table_name, column.name), column)
            back = ops.AddColumnOp(name, detached(declared, column), schema=new.schema)
            yield Operation(
                ops.DropColumnOp.from_column_and_tablename(new.schema, name, column), back
            )
    for column in after:
        if column.name not in before:
            yield Operation(ops.AddColumnOp(name, detached(column), schema=new.schema))


def _look_alike_tables(old: ops.DropTableOp, new: ops.CreateTableOp) -> bool:
    before = {column.name for column in old.to_table().columns}
    after = {column.name for column in new.to_table().columns}
    return 2 * len(before & after) > len(before | after)


def _columns(operations: list[Operation], lookup: Lookup, answers: Answers) -> list[Operation]:
    gone = [
        operation for operation in operations if isinstance(operation.forward, ops.DropColumnOp)
    ]
    come = [operation for operation in operations if isinstance(operation.forward, ops.AddColumnOp)]
    for old in gone:
        for new in [operation for operation in come if operation.table == old.table]:
            name = answers.renamed_to(old.subject)
            is_told = name == new.forward.column.name
            if not (is_told or _look_alike(old.backward.column, new.forward.column)):
                continue
            if answers.renamed(old.subject, str(name) if is_told else new.subject):
                come.remove(new)
                operations = [s for s in operations if s is not new]
                operations[operations.index(old)] = _rename(old, new.forward.column.name)
                break
            if name is None and not answers.is_accepted("drop-column", old.subject):
                answers.note_possible_rename(old.subject, new.subject)
    return operations


def _look_alike(old: Column[Any], new: Column[Any]) -> bool:
    computed = old.computed is not None or new.computed is not None
    return not computed and family(old.type) is family(new.type)


def _rename(old: Operation, name: str) -> Operation:
    column: Column[Any] = old.backward.column

    def rename(before: str, after: str) -> ops.AlterColumnOp:
        return ops.AlterColumnOp(
            old.forward.table_name,
            before,
            schema=old.forward.schema,
            existing_type=column.type,
            existing_nullable=column.nullable,
            existing_server_default=column.server_default,
            existing_comment=column.comment,
            modify_name=after,
        )

    return Operation(rename(column.name, name), rename(name, column.name))


_ALIKE = Message(
    "{subject} goes, and {detail} comes, which looks like it.",
    "A rename would keep the values; as it is written here they are lost.",
    "If it is one, delete the files of this change and write them again, and say so in `--rename`.",
)


def unanswered_renames(answers: Answers, findings: Sequence[Finding]) -> list[Finding]:
    """Return the questions whether something was renamed that nobody was there to answer."""
    gone = {finding.subject: finding for finding in findings if finding.verdict is Verdict.ASK}
    return [
        replace(finding, rule="rename-or-drop", message=_ALIKE, detail=" or ".join(new))
        for old, finding in gone.items()
        if (new := answers.alternatives(old))
    ]
