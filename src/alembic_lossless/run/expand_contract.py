"""Which revisions may run while the release before still does: expand first, contract later.

A revision's file says it: ``phase = "contract"`` at module level, beside its identifiers, where it
drops or renames what the release before may still use. ``migrate`` writes it, and the checklist
demands it in a file that a person wrote. ``upgrade --phase expand`` stops before the first such
revision. One that says nothing is followed without being run: where it takes something away, or
cannot be followed to its end, it is refused.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from alembic.operations import ops
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Dialect

from ..errors import MigrationError
from ..statements import Action, Statement, read
from . import binds, git, recorder, status
from .chain import version_folders

#: The name at module level, and its values.
PHASE = "phase"
EXPAND, CONTRACT = "expand", "contract"

#: Operations that take away what newer code does not know.
_DROPS = (ops.DropTableOp, ops.DropColumnOp, ops.DropIndexOp, ops.DropConstraintOp, recorder.Batch)


def phase_of(revision: Script) -> str:
    """Return the phase that the file of *revision* says; nothing where it says none."""
    phase = getattr(revision.module, PHASE, "")
    return phase if phase in (EXPAND, CONTRACT) else ""


def is_contract(revision: Script) -> bool:
    """Tell whether the file of *revision* says that it takes something away."""
    return phase_of(revision) == CONTRACT


def taken_away(operations: Iterable[Any], kind: str) -> list[str]:
    """Name what *operations* of one revision drop and rename of tables and columns.

    What they made themselves does not count.

    :param operations: of Alembic's, those that execute SQL included.
    :param kind: the database that runs it.
    :return: as in ``drop book.year``, ``rename book``.
    """
    added: set[str] = set()
    taken: list[str] = []
    for operation in operations:
        for verb, table, column in _changes(operation, kind):
            name = f"{table}.{column}" if column else table
            if verb == "add":
                added.add(name)
            elif not {table, name} & added:
                taken.append(f"{verb} {name}")
    return list(dict.fromkeys(taken))


def _changes(operation: Any, kind: str) -> Iterator[tuple[str, str, str]]:
    """Yield what one operation adds, drops or renames: the verb, the table and the column."""
    if isinstance(operation, ops.CreateTableOp):
        yield "add", recorder.whole_name(operation), ""
    elif isinstance(operation, ops.AddColumnOp):
        yield "add", recorder.whole_name(operation), operation.column.name
    elif isinstance(operation, ops.DropTableOp):
        yield "drop", recorder.whole_name(operation), ""
    elif isinstance(operation, ops.RenameTableOp):
        yield "rename", recorder.whole_name(operation), ""
    elif isinstance(operation, ops.DropColumnOp):
        yield "drop", recorder.whole_name(operation), operation.column_name
    elif isinstance(operation, ops.AlterColumnOp) and operation.modify_name:
        yield "rename", recorder.whole_name(operation), operation.column_name
    elif isinstance(operation, ops.ExecuteSQLOp):
        for statement in read(str(operation.sqltext), kind):
            if statement.creates and statement.object == "TABLE":
                yield "add", str(statement.creates), ""
            added = (a for a in statement.actions if (a.verb, a.object) == ("ADD", "COLUMN"))
            yield from map(_change, (*added, *statement.takes_away))


def _change(action: Action) -> tuple[str, str, str]:
    verb = "add" if action.verb == "ADD" else "drop" if action.drops else "rename"
    column = action.name if action.object == "COLUMN" else ""
    return verb, str(action.table), column


def expanding(
    script: ScriptDirectory, at: Iterable[str], dialect: Dialect
) -> tuple[list[str], dict[str, list[str]]]:
    """Part what is pending: what may go first; and the contracts, with all that is behind them.

    :param script: the chain.
    :param at: the revisions that the database is at.
    :param dialect: the database's.
    :return: the revisions that may go first; and those that wait, with what they take away.
    :raises MigrationError: where a revision that may go first does not say its phase, and takes
        something away or cannot be followed to its end.
    """
    first: list[str] = []
    waiting: dict[str, list[str]] = {}
    for name in status.pending(script, at):
        revision = script.get_revision(name)
        if is_contract(revision):
            operations, _ = _followed(revision, dialect)
            waiting[name] = taken_away(operations, dialect.name)
        elif _before(script, name) & waiting.keys():
            waiting[name] = []
        else:
            if not phase_of(revision):
                _require_nothing_taken_away(revision, dialect)
            first.append(name)
    return first, waiting


def _followed(revision: Script, dialect: Dialect) -> tuple[list[Any], Exception | None]:
    ((operations, error),) = recorder.followed([revision], dialect)
    return operations, error


def _require_nothing_taken_away(revision: Script, dialect: Dialect) -> None:
    """Refuse a revision without a phase that is a contract, or of which nobody knows.

    :raises MigrationError: with what to write into the file.
    """
    operations, error = _followed(revision, dialect)
    file = Path(revision.path).name
    if taken := taken_away(operations, dialect.name):
        raise MigrationError(
            f"{file} takes something away ({', '.join(taken)}) and does not say so. The release "
            f"that still runs may use it, so nothing was applied. Write into the file, below "
            f'down_revision: {PHASE} = "{CONTRACT}"',
            4,
        )
    if error is not None:
        raise MigrationError(
            f"{file} does not say its phase, and it reads rows, so that it cannot be followed "
            "without being run. It may take away what the release that still runs uses, so "
            "nothing was applied. Write into the file, below down_revision, "
            f'{PHASE} = "{EXPAND}" where it takes nothing away, else {PHASE} = "{CONTRACT}"',
            4,
        )


def tips(script: ScriptDirectory, revisions: Sequence[str]) -> list[str]:
    """Return those of *revisions* that none of them is behind: upgrading to these does them all."""
    inner = set().union(*(_before(script, revision) for revision in revisions))
    return [revision for revision in revisions if revision not in inner]


def _before(script: ScriptDirectory, revision: str) -> set[str]:
    known = script.get_revision(revision)
    return set(known._all_down_revisions) if known else set()


def only_drops_pending(script: ScriptDirectory, at: Iterable[str], dialect: Dialect) -> bool:
    """Tell whether the database has all that the code needs, and more that it no longer needs.

    A rename is no drop: the code needs the new name.

    :param script: the chain.
    :param at: the revisions that the database is at.
    :param dialect: the database's.
    """
    pending = [script.get_revision(revision) for revision in status.pending(script, at)]
    return all(_only_drops(revision, dialect) for revision in pending)


def _only_drops(revision: Script, dialect: Dialect) -> bool:
    if phase_of(revision) == EXPAND:
        return False
    for bind in _binds_of(revision):
        with binds.chosen(bind):
            operations, error = _followed(revision, dialect)
        if error or not all(_drops_only(operation, dialect.name) for operation in operations):
            return False
    return True


def _binds_of(revision: Script) -> list[str | None]:
    """Return the databases that a revision has a part for; the one, where it is for one."""
    if not revision.module.upgrade.__code__.co_argcount:
        return [binds.current()]
    parts = [name for name in vars(revision.module) if name.startswith("upgrade_")]
    return [name.removeprefix("upgrade_") for name in parts]


def _drops_only(operation: Any, kind: str) -> bool:
    if isinstance(operation, ops.ExecuteSQLOp):
        return all(map(_statement_drops_only, read(str(operation.sqltext), kind)))
    return isinstance(operation, _DROPS)


def _statement_drops_only(statement: Statement) -> bool:
    is_altered = statement.verb == "ALTER" and bool(statement.actions)
    return statement.verb == "DROP" or (
        is_altered and all(action.verb == "DROP" for action in statement.actions)
    )


def stacked_on(script: ScriptDirectory, revision: str) -> list[str]:
    """Return the contracts behind which *revision*, which is none, would wait.

    Those that the newest tag of git holds are released; without one, those that the main branch of
    the remote holds. Where there is neither, there is no release that anything could wait for.
    """
    in_release = released(script)
    if in_release is None:
        main = (_held(script, f"origin/{name}") for name in ("HEAD", "main", "master"))
        in_release = next((names for names in main if names), None)
    if in_release is None or is_contract(script.get_revision(revision)):
        return []
    return [
        earlier.revision
        for earlier in script.iterate_revisions(revision, "base")
        if Path(earlier.path).name not in in_release and is_contract(earlier)
    ]


def released(script: ScriptDirectory) -> set[str] | None:
    """Name the files of a chain that the newest tag of git holds; None without git or a tag."""
    tag = git.ask(version_folders(script)[0], "describe", "--tags", "--abbrev=0")
    return _held(script, tag[0]) if tag else None


def _held(script: ScriptDirectory, revision: str) -> set[str]:
    """Name the files of a chain that a revision of git holds."""
    ask = "ls-tree", "-r", "--name-only", revision, "./"
    folders = version_folders(script)
    return {Path(name).name for folder in folders for name in git.ask(folder, *ask)}
