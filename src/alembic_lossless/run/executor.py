"""Alembic's steps, with what a server needs around each: retries, the log, a journal, the way on.

Alembic runs ``for step in fn(heads, context)`` with a transaction around each step. We give it
the same steps with other functions in them.
"""

import random
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import nullcontext
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
from . import ahead, history, server
from .connection import Echo
from .journal import Journal, in_place
from .transactions import no_other_writer, own_commits

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
    """The steps of one run of ``env.py`` on a connection of our own."""

    def __init__(self, connection: Connection, fn: Any, limits: Limits, echo: Echo) -> None:
        self._connection = connection
        self._fn = fn
        self._limits = limits
        self._echo = echo
        self._journal = None if connection.dialect.name == "sqlite" else Journal(connection)
        self._begun = 0.0
        self._checksums: dict[str, str] = {}
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
            self._refuse_to_leave_half(steps)
        if steps and steps[0].is_upgrade and hasattr(steps[0], "revision"):
            self._echo(f"{plural(steps, 'revision')} pending:")
        if len(steps) > 1:
            server.hurry(self._connection)
        for step in steps:
            if step is steps[-1] and len(steps) > 1:
                server.be_durable(self._connection)
            if hasattr(step, "revision"):
                self._echo(f"  {step.name:<9}  {step.revision.revision}  {step.doc or ''}".rstrip())
                guarded = self._guarded(step, context)
                step.migration_fn = ahead.explained(guarded, step, self._connection)
            self._begun = time.monotonic()
            yield step

    def note(self, *, ctx: MigrationContext, step: Any, heads: set[str], **_: Any) -> None:
        """Write the log; Alembic calls it after each step, in the step's transaction."""
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
            self.done.append(revision)

    def _stamp_settles(self, steps: list[Any]) -> None:
        if self._journal and not steps:  # it is at that revision, and half on the way elsewhere
            self._journal.settle()
            self._connection.commit()

    def _refuse_to_leave_half(self, steps: list[Any]) -> None:
        half = self._journal.half_applied() if self._journal else []
        first = [_name(step.name, step.revision.revision) for step in steps[:1]]
        event, _, revision = half[0].rpartition(" ") if half else ("", "", "")
        # Without a step to do here, what is half applied is newer code's.
        if half and half[:1] != first and (first or event):
            raise MigrationError(
                f"Revision {revision} is half {'undone' if event else 'applied'}, and nothing else "
                f"can be done before it: "
                f"{hints.command('downgrade' if event else 'upgrade')} goes on with it.",
                exit_code=7,
            )

    def _guarded(self, step: Any, context: MigrationContext) -> Callable[..., None]:
        run = step.migration_fn
        revision = step.revision.revision
        name = _name(step.name, revision)

        @wraps(run)
        def guarded(**keywords: Any) -> None:
            give_up = time.monotonic() + self._limits.wait
            pause = 0.25
            watch: Any = nullcontext()
            while True:
                journaled: Any = self._journal.watching(context, name) if self._journal else watch
                try:
                    alone = no_other_writer(self._connection, revision, step.revision.path)
                    own = own_commits(self._connection, revision)
                    with watch, journaled, alone, own as commits:
                        run(**keywords)
                    return
                except Exception as error:
                    in_place = self._journal.fail(name) if self._journal else 0
                    if not self._may_retry(error, context, give_up - pause):
                        if isinstance(error, MigrationError):
                            raise
                        raise self._failure(error, step, in_place, bool(commits)) from error
                self._echo(f"  {name} did not get its lock; trying again.")
                time.sleep(pause * random.uniform(0.5, 1))
                pause = min(pause * 2, 15)
                watch = server.naming_blockers(self._connection, self._limits.lock / 2, self._echo)
                context._transaction = self._connection.begin()

        return guarded

    def _may_retry(self, error: Exception, context: MigrationContext, until: float) -> bool:
        if self._journal is None or self._journal.lost:
            return False
        context._transaction = None  # it was rolled back
        return code(error) in server.LOCK_TIMEOUT and time.monotonic() < until

    def _failure(self, error: Exception, step: Any, done: int, committed: bool) -> Exception:
        """Say what a failed step left behind, and how to go on.

        :param done: how many of its statements the journal has as in place.
        :param committed: whether the file committed by itself.
        """
        what = "Revision" if step.is_upgrade else "The downgrade of"
        what, words = f"{what} {step.revision.revision}", reason(error)
        if code(error) in server.STATEMENT_TIMEOUT:
            words += " (see MIGRATION_STATEMENT_TIMEOUT)"
        lost = self._journal is not None and self._journal.lost
        if done or (lost and not self._transactional()):
            number = self._journal.number if self._journal else 0
            total = self._count(step)
            return MigrationError(
                f"{what} failed at statement {number}"
                f"{f' of {total}' if total >= number else ''}{_place(error, step)}: {words}; "
                f"{in_place(done) if done else 'it may be in place'}. Fix the cause, or the file "
                f"from statement {done + 1} on, and run again: it goes on with statement "
                f"{done + 1}.",
                exit_code=7,
            )
        failed = f"{what} failed{_place(error, step)}: {words}; "
        if "CONCURRENTLY" in str(getattr(error, "statement", "")).upper():
            return MigrationError(
                f"{failed}PostgreSQL leaves the index behind as INVALID, and nothing else of it is "
                "in the database. Fix the cause, drop that index unless the file does, and run "
                "again."
            )
        if committed and (self._journal is None or self._journal.number > 1):
            return MigrationError(
                f"{failed}what it committed by itself before that is in the database. Fix the "
                "cause, take what is there out of the file, and run again.",
                exit_code=7,
            )
        return MigrationError(
            f"{failed}nothing of it is in the database. Fix the cause or the file, and run again."
        )

    def _transactional(self) -> bool:
        return self._connection.dialect.name not in ("mysql", "mariadb")

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
                function()
        except Exception:
            return 0
        return len(statements)


def _name(event: str, revision: str) -> str:
    return revision if event == "upgrade" else f"{event} {revision}"


def _place(error: Exception, step: Any) -> str:
    """Say at which line of its file a step failed."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == step.revision.path]
    return f" in line {lines[-1]} of {step.revision.path}" if lines else ""


def lost(error: DBAPIError) -> MigrationError:
    """Say what failed between two steps, or at a commit."""
    return MigrationError(
        f"The database failed: {reason(error)}; what was not finished was rolled back. "
        "Fix the cause, and run again."
    )
