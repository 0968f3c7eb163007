"""Alembic's steps, with what a server needs around each: retries, the log, a journal, the way on.

Alembic runs ``for step in fn(heads, context)`` with a transaction around each step. We give it
the same steps with other functions in them.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from functools import wraps
from typing import Any

import alembic
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from .. import hints
from ..errors import MigrationError, code, plural, reason
from ..settings import Limits
from ..statements import read
from . import ahead, binds, history, server
from .chain import read_chain
from .connection import Echo
from .journal import Journal, in_place
from .lines import in_line, line_of
from .transactions import (
    Remains,
    TransactionEndedError,
    end_refused,
    held_on_sqlite,
    no_other_writer,
)

#: The private parts of Alembic that this wing uses or replaces, and of which objects; the command
#: that runs env.py, its target and steps; a step's function; the transaction that is tried again,
#: and what an autocommit block commits, which is journalled.
PRIVATE = {
    "module": ("_proxy",),
    "EnvironmentContext": ("context_opts",),
    "RevisionStep": ("migration_fn",),
    "MigrationContext": ("_transaction", "autocommit_block"),
}


def insist(owner: Any) -> None:
    """Make sure that *owner*, an object of Alembic's, has the private parts that are used of it.

    :raises MigrationError: where one is missing.
    """
    kind = type(owner).__name__
    if missing := [name for name in PRIVATE[kind] if not hasattr(owner, name)]:
        raise MigrationError(
            f"Alembic {alembic.__version__} has no {kind}.{', '.join(missing)}, which migrations "
            "are run by here: pin Alembic to the minor version that pyproject.toml names."
        )


class Steps:
    """The steps of one run of ``env.py`` on a connection of our own.

    :param look: called before each step but the first; raises where the next may not run.
    """

    def __init__(
        self,
        connection: Connection,
        fn: Any,
        limits: Limits,
        echo: Echo,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._look = look
        self._fn = fn
        self._limits = limits
        self._echo = echo
        self._journal = None if connection.dialect.name == "sqlite" else Journal(connection)
        self._begun = 0.0
        self._checksums: dict[str, str] = {}
        self._number = 0
        self._is_upgrade = True
        #: What was noted in a transaction that is not committed yet: revisions, and where that is.
        self._noted: list[str] = []
        self._noted_at: frozenset[str] = frozenset()
        self._at: frozenset[str] = frozenset()
        #: The revisions that were applied, undone or stamped.
        self.done: list[str] = []

    def __call__(self, heads: Any, context: MigrationContext) -> Iterator[Any]:
        """Take the place of Alembic's ``fn``: give the steps to do from *heads*.

        :raises MigrationError: when another revision than the first of them is half applied.
        """
        insist(context)
        steps = list(self._fn(heads, context))
        real = [step for step in steps if hasattr(step, "revision")]  # a stamp has none
        for step in real:
            insist(step)
        # Before the first of them: each by itself, between other work, would take thrice as long.
        self._checksums = {
            step.revision.revision: history.checksum_of(step.revision) for step in real
        }
        if self._fn.__name__ == "do_stamp":
            self._stamp_settles(steps)
        else:
            self._refuse_to_leave_half(steps, context)
        self._number, self._at = len(steps), frozenset(heads)
        self._is_upgrade = bool(steps) and steps[0].is_upgrade
        if self._journal and self._connection.in_transaction():
            self._connection.commit()  # so that a revision may set its isolation level
        if steps and steps[0].is_upgrade and hasattr(steps[0], "revision"):
            self._echo(f"{plural(steps, 'revision')} pending:")
        if len(steps) > 1:
            server.hurry(self._connection)
        for step in steps:
            if step is not steps[0]:
                self._look()
            if step is steps[-1] and len(steps) > 1:
                server.be_durable(self._connection)
            if hasattr(step, "revision"):
                self._echo(f"  {step.name:<9}  {step.revision.revision}  {step.doc or ''}".rstrip())
                guarded = self._guarded(step, context)
                step.migration_fn = ahead.explained(guarded, step, self._connection)
            self._begun = time.monotonic()
            self._noted = []
            yield step
            self.done += self._noted
            self._at = self._noted_at

    def so_far(self) -> str:
        """Say which of several steps were done when one failed; empty where that is none."""
        if not self.done or len(self.done) >= self._number:
            return ""
        noun = "revision" if self._is_upgrade else "downgrade"
        verb = "was" if len(self.done) == 1 else "were"
        at = ", ".join(sorted(self._at)) or "no revision"
        return (
            f" {len(self.done)} of {plural(self._number, noun)} {verb} applied before it; the "
            f"database is at {at}."
        )

    def note(self, *, ctx: MigrationContext, step: Any, heads: set[str], **_: Any) -> None:
        """Write the log; Alembic calls it after each step, in the step's transaction."""
        self._noted_at = frozenset(heads)
        assert ctx.connection
        event = "stamp" if step.is_stamp else "upgrade" if step.is_upgrade else "downgrade"
        for revision in step.up_revision_ids:
            checksum = None if step.is_stamp else self._checksums[revision]
            seconds = None if step.is_stamp else round(time.monotonic() - self._begun, 3)
            came_from = step.source_revision_ids
            history.write(ctx.connection, event, revision, came_from, checksum, seconds)
            if self._journal and step.is_stamp:
                self._journal.settle()
            elif self._journal:
                self._journal.forget(_name(event, revision))
            self._noted.append(revision)

    def _stamp_settles(self, steps: list[Any]) -> None:
        if self._journal and not steps:  # it is at that revision, and half on the way elsewhere
            self._journal.settle()
            self._connection.commit()

    def _refuse_to_leave_half(self, steps: list[Any], context: MigrationContext) -> None:
        half = self._journal.half_applied() if self._journal else []
        first = [_name(step.name, step.revision.revision) for step in steps[:1]]
        # Without a step to do here, what is half applied is newer code's.
        if half and (first or half[0].startswith("downgrade ")):
            known = read_chain(context.opts["script"]).known
            history.refuse_half_applied(half, first, known)

    def _guarded(self, step: Any, context: MigrationContext) -> Callable[..., None]:
        function = step.migration_fn
        revision = step.revision.revision
        name = _name(step.name, revision)

        @wraps(function)
        def guarded(**keywords: Any) -> None:
            give_up = time.monotonic() + self._limits.wait
            pause = 0.25
            watch: Any = nullcontext()
            while True:
                try:
                    with watch, ExitStack() as stack:
                        if self._journal:
                            checksum = self._checksums[revision]
                            journaled = self._journal.watching(context, name, checksum)
                            stack.enter_context(journaled)
                        else:
                            held = held_on_sqlite(self._connection, step.revision.path)
                            stack.enter_context(held)
                        stack.enter_context(no_other_writer(self._connection))
                        stack.enter_context(end_refused(self._connection, context))
                        function(**keywords)
                    return
                except (Exception, SystemExit, KeyboardInterrupt) as error:
                    remains = self._roll_back(name, error)
                    context._transaction = None
                    if not self._may_retry(error, remains, give_up - pause):
                        failure = self._failure(error, step, remains)
                        raise failure from (None if failure is error else error)
                self._echo(f"  {name} did not get its lock; trying again.")
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(pause * 2, 15)
                watch = server.naming_blockers(self._connection, self._limits.lock / 2, self._echo)
                context._transaction = self._connection.begin()

        return guarded

    def _roll_back(self, name: str, error: BaseException) -> Remains:
        if self._journal:
            return self._journal.fail(name, error)
        if not self._connection.invalidated:
            # By the driver as well: a session that tried to has closed SQLAlchemy's transaction.
            self._connection.connection.rollback()
        self._connection.rollback()
        return Remains(unknown=isinstance(error, TransactionEndedError) and error.is_unknown)

    def _may_retry(self, error: BaseException, remains: Remains, until: float) -> bool:
        if self._journal is None or self._journal.lost:
            return False
        if remains.in_part or remains.unknown or remains.has_stayed:
            return False
        return code(error) in server.LOCK_TIMEOUT and time.monotonic() < until

    def _failure(self, error: BaseException, step: Any, remains: Remains) -> MigrationError:
        """Say what failed in a step, what of it is in the database, and how to go on.

        :param remains: what of it is in the database.
        """
        subject = "Revision" if step.is_upgrade else "The downgrade of"
        subject = f"{subject} {step.revision.revision}"
        place = in_line(line_of(error, step.revision.path), step.revision.path)
        if isinstance(error, MigrationError) and error.exit_code == 7:  # the journal's: all is said
            return error
        remedy = "Fix the cause or the file"
        if isinstance(error, TransactionEndedError):
            failed, remedy = _ended(subject, error, place, self._journal is not None)
        elif isinstance(error, MigrationError):
            failed = f"{subject} failed{place}: {str(error).rstrip('.')}"
        else:
            number = self._journal.number if self._journal else 0
            if number and not remains.are_nothing:
                total = self._count(step)
                subject += f" failed at statement {number}"
                subject += f" of {total}" if total >= number else ""
            else:
                subject += " failed"
            failed = f"{subject}{place}: {reason(error)}"
            if code(error) in server.STATEMENT_TIMEOUT:
                failed += " (see MIGRATION_STATEMENT_TIMEOUT)"
        index = self._invalid_index(str(getattr(error, "statement", None) or ""))
        left = f"{index} is left behind as an INVALID index, " if index else ""
        advice = f" Drop {index} first, unless the file does." if index else ""
        if remains.are_nothing:
            rest = "nothing else of it" if index else "nothing of it"
            return MigrationError(
                f"{failed}; {left}{rest} is in the database. {remedy}, and run again.{advice}"
            )
        remaining = _what_is_there(remains, remedy)
        return MigrationError(f"{failed}; {left}{remaining}{advice}", exit_code=7)

    def _invalid_index(self, statement: str) -> str:
        """Name the index of *statement* that PostgreSQL began to build and left as invalid."""
        is_lost = self._journal is None or self._journal.lost
        building = [each for each in read(statement, "postgresql") if each.has("CONCURRENTLY")]
        if is_lost or not building:
            return ""
        invalid = "SELECT relname FROM pg_class JOIN pg_index ON oid = indexrelid"
        names = self._connection.exec_driver_sql(f"{invalid} WHERE NOT indisvalid").scalars().all()
        self._connection.rollback()
        named = {name.name for each in building for name in each.names}
        return next((name for name in names if name in named), "")

    def _count(self, step: Any) -> int:
        """Count the statements of *step* by writing them as SQL; 0 where it reads rows."""
        statements: list[str] = []
        context = MigrationContext.configure(
            dialect=self._connection.dialect, opts={"as_sql": True, "transactional_ddl": False}
        )
        context.impl.static_output = statements.append  # type: ignore[assignment,method-assign]
        function = getattr(step.revision.module, step.name)
        try:
            with Operations.context(context):
                function(**binds.arguments())
        except (Exception, SystemExit, KeyboardInterrupt):
            return 0
        return len(statements)


def _name(event: str, revision: str) -> str:
    return revision if event == "upgrade" else f"{event} {revision}"


def _ended(
    subject: str, error: TransactionEndedError, place: str, has_blocks: bool
) -> tuple[str, str]:
    """Say how a revision ended its transaction, and what to do.

    :param subject: the revision.
    :param place: where in its file it did, unless the error tells.
    :param has_blocks: whether an autocommit block leaves the transaction here.
    """
    if " in line " in error.way:
        place = ""
    if error.is_lost and not has_blocks:
        return (
            f"{subject} went on after an error at which SQLite rolled all of it back",
            "Let the error end the revision, or try that statement in op.get_bind().begin_nested()",
        )
    if error.is_lost:
        return (
            f"{subject} rolls back its transaction by {error.way}{place}, and what it had done "
            "before that would be lost",
            "Take that out of the file",
        )
    verb = "begins a transaction of its own" if error.way[:5] == "BEGIN" else "ends its transaction"
    instead = (
        " (what cannot run in a transaction has its place in `with "
        "op.get_context().autocommit_block():`)"
        if has_blocks
        else ""
    )
    return (
        f"{subject} {verb} by {error.way}{place}, so that a failure could not undo all of it",
        f"Take that out of the file{instead}",
    )


def _what_is_there(remains: Remains, remedy: str) -> str:
    """Say what a revision that failed has left, and how to go on."""
    again = f"run again: it goes on with statement {remains.done + 1}."
    prefix = f"{in_place(remains.done)}, and " if remains.done else ""
    if remains.unknown:
        return (
            f"{prefix}what it did after that may be in the database, because its transaction ended "
            "where nothing tells whether it was committed. Look there, take what is there out of "
            "the file, and run again."
        )
    if remains.has_stayed:
        return (
            f"{prefix}rows that it wrote to tables without transactions (ENGINE = MyISAM and the "
            f"like) stay. Look there, delete them or take them out of the file, and {again}"
        )
    if remains.in_part > remains.done + 1:
        return (
            f"{prefix}statements {remains.done + 1} to {remains.in_part} may be, the last in whole "
            "or in part. Look there when the database answers; "
            f"{hints.command('plan')} shows which are noted as in place."
        )
    if remains.in_part:
        return (
            f"{prefix}statement {remains.in_part} may be, in whole or in part. Look there, undo by "
            f"hand what it did or take that out of the file, and {again}"
        )
    return (
        f"{in_place(remains.done)}. {remedy.replace('cause or the file', 'cause, or the file')} "
        f"from statement {remains.done + 1} on, and {again}"
    )


def lost(error: DBAPIError, so_far: str = "") -> MigrationError:
    """Say what failed between two steps, or at a commit.

    :param so_far: which steps were done before.
    """
    return MigrationError(
        f"The database failed: {reason(error)}; what was not finished was rolled back. "
        f"Fix the cause, and run again.{so_far}"
    )
