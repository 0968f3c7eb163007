"""What happens under ``env.py``: a safe connection takes the place of its own.

``context.configure`` and ``context.run_migrations`` of one run of env.py are wrapped, on that run's
own EnvironmentContext. The first looks, connects, locks and makes a backup; the second runs
Alembic's steps between our checks (executor.py). What env.py configures is passed on.
"""

import functools
import io
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, MetaData, text
from sqlalchemy.exc import DBAPIError

from .. import compat, hints, sqlite
from ..errors import MigrationError, plural, reason
from ..quoting import qualified
from ..schema import own_tables
from ..settings import Settings
from . import binds, history, identity, lock, server, status
from .chain import Chain, read_chain
from .connection import Echo, ForeignKeys, Target, borrowed, foreign_keys, label
from .executor import Steps, insist, lost

#: Where a command leaves its :class:`Run` for env.py, among Alembic's own attributes.
RUN = "alembic_lossless"

#: Said of an env.py that this library does not get hold of.
UNREACHED = (
    "migrations/env.py is not safeguarded, so it would run as if this library were not there; "
    "nothing was run. Add to it, below `config = context.config`:\n"
    "    from alembic_lossless import safeguard\n\n"
    "    safeguard(context)"
)


@dataclass
class Outcome:
    """What came of one database in a run of env.py."""

    #: Which of several databases; None where env.py has one.
    bind: str | None = None
    #: The revisions that were applied, undone or stamped.
    done: list[str] = field(default_factory=list)
    #: The backup that was made before; None where none was.
    backup: Path | None = None
    #: The revisions that the database is at in the end, and whether newer code brought it there.
    at: frozenset[str] = frozenset()
    is_ahead: bool = False

    @property
    def label(self) -> str:
        """Return what a line about it begins with; nothing where env.py has one database."""
        return binds.prefix(self.bind)


@dataclass
class Run:
    """One run of env.py: what a command wants of it, and what came of it.

    :param echo: prints a line for a person; None is Alembic's own output.
    :param work: what a command does in the place of migrating, in the surroundings of env.py.
    :param has_backup: whether there is a backup of the database from just before.
    :param is_command: whether a command of ours reports the errors, and names the database first.
    :param settings: in the place of the project's.
    """

    echo: Echo | None = None
    work: "Callable[[Environment], None] | None" = None
    has_backup: bool = False
    is_command: bool = False
    settings: Settings | None = None
    #: For a new revision: what it is asked for, and where its report goes.
    request: Any = None
    #: What a new revision is reported in where a command of Alembic's writes it.
    report: Any = None
    #: What came of each database, in env.py's order.
    outcomes: list[Outcome] = field(default_factory=list)
    #: The application's loggers that were on before env.py, whose fileConfig switches them off.
    loggers: list[logging.Logger] = field(default_factory=list)

    @classmethod
    def of(cls, config: Config) -> "Run":
        """Return the run that *config* was made for; a new one where a command of Alembic's is."""
        run: Run = config.attributes.setdefault(RUN, cls())
        return run

    @property
    def has_several(self) -> bool:
        """Tell whether env.py migrated several databases."""
        return any(outcome.bind is not None for outcome in self.outcomes)

    def remember_loggers(self) -> None:
        """Note which loggers speak now."""
        known = logging.Logger.manager.loggerDict.values()
        self.loggers = [
            logger for logger in known if isinstance(logger, logging.Logger) and not logger.disabled
        ]

    def restore_loggers(self) -> None:
        """Let them speak again; in a command of ours Alembic's progress is ours to print."""
        for logger in self.loggers:
            logger.disabled = False
        if self.is_command:
            logging.getLogger("alembic").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Host:
    """What the upper rooms lend to a run of env.py.

    :param settings: reads the project's settings, given the folder of its migrations.
    :param engine: returns the project's own engine; None where env.py alone has one.
    :param backup: makes a backup of a database that is at some revisions, and may be half on the
        way from there.
    :param scratch: gives the connection on which a new revision is made.
    :param command_line: what hints are worded for where no command of ours runs.
    :param engines: returns the project's engines by their binds, the default's by the empty name;
        none where it cannot have several.
    """

    settings: Callable[[Path], Settings]
    engine: Callable[[], Engine | None]
    backup: Callable[[Target, Iterable[str], bool], Path | None]
    scratch: "Callable[[Environment], AbstractContextManager[Connection]]"
    command_line: str = hints.ALEMBIC
    engines: Callable[[], Mapping[str, Engine]] = dict


def attach(context: EnvironmentContext, host: Host) -> None:
    """Wrap the run of env.py behind *context*, once."""
    if "configure" not in vars(context):
        attached = AttachedRun(context, host)
        compat.wrap(context, configure=attached.configure, run_migrations=attached.run_migrations)


def is_attached(context: EnvironmentContext) -> bool:
    """Tell whether *context* is wrapped, or belongs to a project that never asked for it."""
    return "configure" in vars(context) or RUN not in context.config.attributes


class AttachedRun:
    """One run of env.py, with an :class:`Environment` for each database that it configures."""

    def __init__(self, context: EnvironmentContext, host: Host) -> None:
        self._context, self._host = context, host
        self._configure, self._run_migrations = context.configure, context.run_migrations
        Run.of(context.config).restore_loggers()
        #: What the command asks for; ``context.configure`` adds each database's options to it.
        self._command = dict(compat.command_options(context))
        self._environment: Environment | None = None

    def configure(self, connection: Any = None, **options: Any) -> None:
        """Take the place of ``context.configure``."""
        if self._environment is not None:
            self._environment.close()
            compat.set_command_options(self._context, self._command)
        self._environment = Environment(
            self._context, self._host, self._configure, self._run_migrations
        )
        self._environment.configure(connection, **options)

    def run_migrations(self, **keywords: Any) -> None:
        """Take the place of ``context.run_migrations``."""
        if self._environment is None:  # Alembic has an error for it
            self._run_migrations(**keywords)
        else:
            self._environment.run_migrations(**keywords)


class Environment:
    """One database of a run of env.py, with the connection that takes the place of env.py's own."""

    def __init__(
        self,
        context: EnvironmentContext,
        host: Host,
        configure: Callable[..., None],
        run_migrations: Callable[..., None],
    ) -> None:
        self.context = context
        self.config: Config = context.config
        self.script: ScriptDirectory = context.script
        self.host = host
        self.run = Run.of(context.config)
        self.settings = self.run.settings or host.settings(Path(context.script.dir))
        #: Which of several databases it is; None where env.py has one.
        self.bind: str | None = None
        self.outcome = Outcome()
        #: What env.py gave to ``context.configure``.
        self.options: dict[str, Any] = {}
        self._command = compat.command_options(context)
        self._configure, self._run_migrations = configure, run_migrations
        self._connection: Any = None
        self._steps: Steps | None = None
        self._stack = ExitStack()

    @functools.cached_property
    def chain(self) -> Chain:
        """Return the revisions that the code knows.

        :raises MigrationError: where the chain is broken.
        """
        return read_chain(self.script)

    @property
    def target(self) -> Target:
        """Return the database that env.py connects to, as the role that migrates."""
        engine = self._project_engine()
        if engine is None:
            engine = self._connection.engine
        return Target.of(engine, self.settings, self.echo)

    @property
    def targets(self) -> dict[str, Target]:
        """Return each of several databases by its name; none where env.py has one."""
        if self.bind is None:
            return {}
        settings = self.host.settings(Path(self.script.dir))
        return {
            bind: Target.of(engine, _settings_of(bind, settings), self.echo)
            for bind, engine in self.host.engines().items()
        }

    @property
    def heading(self) -> str:
        """Return the line that names the database, without its password."""
        which = "" if self.bind is None else f" {binds.name(self.bind)}"
        return f"Database{which}: {label(self.target.url)}"

    def _project_engine(self) -> Engine | None:
        """Return the project's own engine for the database; None where env.py alone has one."""
        return self.host.engine() if self.bind is None else self.host.engines()[self.bind]

    @property
    def metadata(self) -> MetaData:
        """Return the models' tables, as env.py names them."""
        named = self.options.get("target_metadata")
        if isinstance(named, list | tuple):
            raise MigrationError(
                "target_metadata in env.py is a list, and several MetaData of one database are "
                "not compared yet: put the tables into one MetaData."
            )
        return named if named is not None else MetaData()

    def echo(self, line: str) -> None:
        """Print a line for a person."""
        if self.run.echo is not None:
            self.run.echo(line)
        else:
            self.config.print_stdout("%s", line)

    def close(self) -> None:
        """Release what was taken for a database whose migrations were not run."""
        self._stack.close()

    def configure(self, connection: Any = None, **options: Any) -> None:
        """Configure Alembic's context with a connection that is safe; see :class:`AttachedRun`."""
        self.run.restore_loggers()
        self.options = options
        with self._reported():
            self.bind = self._bind(connection)
            self.settings = _settings_of(self.bind, self.settings)
            self.outcome.bind = self.bind
            self.run.outcomes.append(self.outcome)
        self._stack.enter_context(own_tables.named_by(options))
        self._stack.enter_context(binds.chosen(self.bind))
        with self._reported():
            _ = self.chain  # a broken one is told before anything is done
        if connection is None or self.context.is_offline_mode():
            # As env.py of Alembic's own has it: what is printed goes to no driver, for which
            # percent signs would be doubled.
            options["dialect_opts"] = {"paramstyle": "named", **options.get("dialect_opts", {})}
            self._configure(connection=connection, **options)
            return
        self._connection = connection
        with self._reported():
            if self.config.attributes.get("connection") is None:
                identity.require_same_database(self.target)
            if self.run.work is not None:
                # The command connects by itself: what env.py calls now goes nowhere.
                quiet = {"as_sql": True, "output_buffer": io.StringIO()}
                self._configure(
                    dialect_name=connection.dialect.name,
                    **{**options, **quiet, "transaction_per_migration": True},
                )
                return
            insist(self.context)
            safe = self._stack.enter_context(self._safe_connection())
            # A step that is tried again takes its own transaction back, and nothing else.
            self.options["transaction_per_migration"] = True
            self._configure(connection=safe, **self.options)

    def run_migrations(self, **keywords: Any) -> None:
        """Migrate the database, or do the command's work in the place of that."""
        with self._reported():
            self._require_bind(keywords)
        with self._reported(), self._stack:
            if self.run.work is not None:
                self.run.work(self)
                return
            self._run_migrations(**keywords)
            if "destination_rev" in self._command:
                self.outcome.at = frozenset(self.context.get_context().get_current_heads())

    def _bind(self, connection: Any) -> str | None:
        """Tell which of several databases env.py configures; None where it has one.

        :raises MigrationError: with exit code 2, where env.py has several that the project does not
            name, or a caller gave one connection for all.
        """
        if "upgrade_token" not in self.options or connection is None:
            return None
        given = self.config.attributes.get("connection")
        engines = self.host.engines()
        for bind, engine in engines.items():
            if engine is connection.engine and given is None:
                return bind
        if engines and given is not None:
            raise MigrationError(
                'env.py migrates several databases, and config.attributes["connection"] is a '
                "connection to one, so nothing was changed: leave it out.",
                exit_code=2,
            )
        raise MigrationError(_NOT_BINDS, exit_code=2)

    def _require_bind(self, keywords: Mapping[str, Any]) -> None:
        """Make sure that a revision is asked for the part that is for this database.

        :param keywords: what env.py gave to ``context.run_migrations``.
        :raises MigrationError: with exit code 2.
        """
        if self.bind is None and ("engine_name" not in keywords or self._is_offline_with_binds()):
            return
        if self.bind is None or keywords.get("engine_name") != self.bind:
            raise MigrationError(_NOT_BINDS, exit_code=2)

    def _is_offline_with_binds(self) -> bool:
        return self.context.is_offline_mode() and bool(self.host.engines())

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Leave a command of Alembic's with the error's own exit code."""
        typed = nullcontext() if self.run.is_command else hints.typed_as(self.host.command_line)
        try:
            with typed, self._placed():
                yield
        except BaseException as error:
            self._stack.close()
            is_typed = hasattr(self.config.cmd_opts, "cmd")  # alembic upgrade …
            if isinstance(error, MigrationError) and is_typed and not self.run.is_command:
                print(f"exit {error.exit_code}: {error}", file=sys.stderr)
                sys.exit(error.exit_code)
            raise

    @contextmanager
    def _placed(self) -> Iterator[None]:
        """Let an error name the database, of several, and the revision that each is at."""
        try:
            yield
        except (CommandError, DBAPIError) as error:
            if self.bind is None or self.run.work is not None or self._writes_revision():
                raise
            self._stack.close()  # so that each can be asked
            words = f"{binds.prefix(self.bind)}{error}"
            if isinstance(error, DBAPIError):
                words = f"{binds.prefix(self.bind)}The database failed: {reason(error)}."
            if "destination_rev" in self._command:
                with own_tables.named_by(self.options):
                    words = f"{words.rstrip('.')}. {binds.positions(self.targets)}."
            raise MigrationError(words, getattr(error, "exit_code", 1)) from error

    @contextmanager
    def _safe_connection(self) -> Iterator[Connection]:
        """Give the connection that this run migrates, or compares with.

        :raises MigrationError: when the connection that a caller gave cannot be used safely, or
            the database is in memory and would vanish with this connection.
        """
        given = self.config.attributes.get("connection")
        if given is None and self._writes_revision():
            with self.host.scratch(self) as connection:
                yield connection
        elif given is not None or self.target.is_in_memory:
            with borrowed(given if given is not None else self._in_memory()) as connection:
                self._watch(connection)
                checks = self.options.get("on_version_apply", ())
                self.options["on_version_apply"] = (*_as_tuple(checks), self._note)
                if connection.dialect.name == "sqlite" and "destination_rev" in self._command:
                    limits = self.settings.limits
                    steps = Steps(connection, self.options["fn"], limits, lambda _: None)
                    self.options["fn"] = steps
                yield connection
        elif "destination_rev" not in self._command:
            self.options["dont_mutate"] = True
            if self.bind is not None:
                self.echo(self.heading)
            with self.target.connect(self.settings.limits, read_only=True) as connection:
                _tell(connection, _told(self._connection))
                yield connection
        else:
            with self._migrating() as connection:
                yield connection

    def _note(self, *, step: Any, **_: Any) -> None:
        """Note what was done on a connection that holds no log; Alembic calls it after each."""
        self.outcome.done += step.up_revision_ids

    def _writes_revision(self) -> bool:
        revision_context = self._command.get("revision_context")
        return revision_context is not None and revision_context.command_args["autogenerate"]

    def _in_memory(self) -> Connection | Engine:
        """Return the connection that holds the database."""
        engine = self._project_engine()
        if engine is not None:
            return engine
        if type(self._connection.engine.pool).__name__ in ("StaticPool", "SingletonThreadPool"):
            connection: Connection = self._connection
            return connection
        raise MigrationError(
            "A SQLite database in memory would be gone with the migrations' own connection, and "
            'nothing would be migrated: give yours in config.attributes["connection"].'
        )

    @contextmanager
    def _migrating(self) -> Iterator[Connection]:
        """Look, connect, lock, look again, and only then change."""
        if self.run.is_command:
            self.echo(self.heading)
        fn = self._command["fn"]
        is_first = len(self.run.outcomes) == 1  # so that none was changed yet
        if self.bind is not None and is_first and fn.__name__ != "do_stamp":
            way_on = hints.command(fn.__name__, "REVISION")
            binds.require_one_revision(self.targets, self._command["destination_rev"], way_on)
        session = _told(self._connection)
        if not session and self._has_nothing_to_do(fn):
            self.options["dont_mutate"] = True
            self.options["fn"] = lambda *_: ()
            with status.look(self.target) as looking:
                if looking is not None:
                    yield looking
                    return
        limits = self.settings.limits
        try:
            with (
                self.target.connect(limits) as connection,
                lock.hold(connection, limits.wait, self.echo),
            ):
                identity.require_same_database(self.target, connection)
                _tell(connection, session)
                identity.require_one_schema(connection, self.target)
                self._prepare(connection, fn)
                yield connection
        except DBAPIError as error:
            raise lost(error, self._so_far()) from error
        except MigrationError as error:
            if so_far := self._so_far():
                raise MigrationError(f"{error}{so_far}", error.exit_code) from error
            raise

    def _so_far(self) -> str:
        return self._steps.so_far() if self._steps else ""

    def _prepare(self, connection: Connection, fn: Any) -> None:
        self._watch(connection)
        server.share(connection, self.target)
        history.ensure(connection)
        steps = Steps(
            connection,
            self.options.get("fn", fn),
            self.settings.limits,
            self.echo,
            identity.schema_kept(connection, self.target),
        )
        connection.rollback()
        at = status.current(connection)
        todo = [] if fn.__name__ == "do_stamp" else list(fn(tuple(at), None))
        if len(todo) > 1 and todo[0].is_downgrade:
            from . import refusals  # which an upgrade has no need of

            refusals.refuse([step.revision for step in todo], connection)
        connection.rollback()
        if todo and not self.run.has_backup:
            self._back_up(connection, at)
        checks = self.options.get("on_version_apply", ())
        self._steps = steps
        self.options["fn"] = steps
        self.options["on_version_apply"] = (*_as_tuple(checks), steps.note)
        self.outcome.done = steps.done

    def _back_up(self, connection: Connection, at: frozenset[str]) -> None:
        is_half_applied = bool(history.half_applied(connection))
        connection.rollback()
        # With the password that the connection was made with.
        target = Target(connection.engine.url, self.target.engine, self.settings, self.echo)
        if backup := self.host.backup(target, at, is_half_applied):
            self.outcome.backup = backup
            self.echo(f"Backed up to {backup}")

    def _has_nothing_to_do(self, fn: Any) -> bool:
        if fn.__name__ == "do_stamp" or self._command.get("purge"):
            return False
        chain = self.chain
        probe = status.probe(self.target, chain)
        if probe is None:
            return False
        self.outcome.is_ahead = probe.ahead
        if probe.ahead and self._command["destination_rev"] in ("head", "heads"):
            return True
        status.require_known(probe.at, chain.known, self.script)
        if fn.__name__ == "downgrade" and status.lacks(
            self.script, probe.at, self._command["destination_rev"]
        ):
            return True
        return not probe.half and not list(fn(tuple(probe.at), None))

    def _watch(self, connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            sqlite.require()
            self.options["fn"] = _in_force(self._command["fn"])
            checks = self.options.get("on_version_apply", ())
            self.options["on_version_apply"] = (
                *_as_tuple(checks),
                foreign_keys_kept(connection),
            )


#: Said of an env.py for several databases that are not those of SQLALCHEMY_BINDS.
_NOT_BINDS = (
    "env.py migrates several databases, and only those of SQLALCHEMY_BINDS are known here, by the "
    "env.py of `flask db init --multidb`; Alembic's own multidb template is not supported. No "
    "migration was run. Leave this project to stock: import Migrate from flask_migrate again, or "
    "take the line safeguard(context) out of env.py."
)


def _settings_of(bind: str | None, settings: Settings) -> Settings:
    """Return the settings for one of several databases: the URL in them is the default's."""
    return replace(settings, url=None, password="") if bind else settings


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _in_force(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Have Alembic's *fn* give steps only to a context that migrates SQLite by our engine."""

    @functools.wraps(fn)
    def checked(heads: Any, context: MigrationContext) -> Any:
        sqlite.require(context)
        return fn(heads, context)

    return checked


def foreign_keys_kept(connection: Connection) -> Callable[..., None]:
    """Return what Alembic calls after each revision, inside its transaction.

    A row that lost the row it points to, and a foreign key that lost its table, roll the revision
    back. What was so before is not its fault.
    """
    first = last = foreign_keys(connection)
    connection.rollback()

    def check(*, ctx: MigrationContext, step: Any, **_: Any) -> None:
        nonlocal last
        before, last = last, foreign_keys(connection)
        for key in sorted(last.broken - first.broken - before.broken):
            problem = _why_broken(key, before, last) if step.is_upgrade else ""
            if problem:
                raise MigrationError(f"Revision {step.up_revision_id} {problem}")
        new = last.orphans - first.orphans
        if new:
            table, rowid, parent, _key = sorted(new, key=str)[0]
            raise MigrationError(
                f"Revision {step.up_revision_id} would leave {plural(new, 'row')} without the row "
                f"pointed to, first {table} (rowid {rowid}) → {parent}; it was rolled back. "
                "Delete or repair these rows in the migration before it ends."
            )

    return check


def _why_broken(key: tuple[str, str, str], before: ForeignKeys, after: ForeignKeys) -> str:
    """Say what a revision did to the table that *key* points to; empty where it did nothing.

    A key to a table that a later revision makes is let be: SQLite takes it, and so do chains.

    :param key: table, column, and the table pointed to.
    """
    table, column, parent = key
    names = f'the foreign key {column} of "{table}" points to'
    if parent.lower() in after.tables:
        if key not in before.keys:
            return ""
        return (
            f'takes the uniqueness from the columns of "{parent}" which {names}: every write to '
            f'"{table}" would fail; it was rolled back. Keep them unique, or drop that foreign key.'
        )
    earlier = {name.lower() for *place, name in before.keys if place == [table, column]}
    if not (before.tables - after.tables) & {parent.lower(), *earlier}:
        return ""
    return (
        f'drops table "{parent}", which {names}: every write to "{table}" would fail; it was '
        "rolled back. Drop that foreign key before the table."
    )


_CHANGED = (
    "SELECT name, setting FROM pg_settings WHERE name IN ('search_path', 'role')"
    " AND setting IS DISTINCT FROM reset_val"
)


def _told(connection: Any) -> list[tuple[str, str]]:
    """Return what env.py told its own session: on PostgreSQL settings, on MySQL a database."""
    if not getattr(connection, "is_connected", True):
        return []
    idle = not connection.in_transaction()
    session: list[tuple[str, str]] = []
    if connection.dialect.name == "postgresql":
        session = [tuple(row) for row in connection.exec_driver_sql(_CHANGED)]
    elif connection.dialect.name in ("mysql", "mariadb"):
        database = connection.exec_driver_sql("SELECT database()").scalar()
        session = [("database", database)] if database != connection.engine.url.database else []
    if idle:
        connection.rollback()
    return session


def _tell(connection: Connection, session: list[tuple[str, str]]) -> None:
    """Tell the migrations' session the same: the schema, the role, the database to use."""
    for name, value in session:
        if name == "database":
            connection.exec_driver_sql(f"USE {qualified(connection.dialect, value)}")
        else:
            setting = text("SELECT set_config(:name, :value, false)")
            connection.execute(setting, {"name": name, "value": value})
    if session:
        connection.commit()


class LazyTransaction:
    """Stands for the transaction that env.py begins on its own connection before ``configure``.

    The migrations run on another connection, with a transaction for each revision. What env.py
    sends itself is committed or rolled back here.
    """

    def __init__(self, connection: "LazyConnection") -> None:
        self._connection = connection

    def __enter__(self) -> "LazyTransaction":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.rollback()

    def commit(self) -> None:
        """Commit what env.py sent; nothing where it sent nothing."""
        if self._connection.in_transaction():
            self._connection.commit()

    def rollback(self) -> None:
        """Roll back what env.py sent; nothing where it sent nothing."""
        if self._connection.in_transaction():
            self._connection.rollback()

    close = rollback


class LazyConnection:
    """Stands for a connection of env.py's engine; one is made only where env.py uses it itself."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect
        self._real: Connection | None = None

    @property
    def is_connected(self) -> bool:
        """Tell whether env.py used it."""
        return self._real is not None

    def __enter__(self) -> "LazyConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, where one was made."""
        if self._real is not None:
            self._real.close()

    def in_transaction(self) -> bool:
        """Tell whether env.py began a transaction on it."""
        return self._real is not None and self._real.in_transaction()

    def begin(self) -> Any:
        """Return what stands for a transaction, which needs no connection yet."""
        return LazyTransaction(self) if self._real is None else self._real.begin()

    def begin_twophase(self, *_: Any) -> Any:
        """Refuse a transaction that several databases share.

        :raises MigrationError: with exit code 2.
        """
        raise MigrationError(
            "USE_TWOPHASE = True in env.py would commit all databases at once, and here each "
            "revision of each database has a transaction of its own. Nothing was changed. Set "
            "USE_TWOPHASE = False.",
            exit_code=2,
        )

    def __getattr__(self, name: str) -> Any:
        if self._real is None:
            self._real = self.engine.connect()
        return getattr(self._real, name)


class LazyEngine:
    """Stands for env.py's engine: it connects only where env.py uses the connection itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def connect(self) -> LazyConnection:
        """Return what stands for a connection."""
        return LazyConnection(self._engine)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def in_environment(config: Config, work: Callable[[Environment], None]) -> None:
    """Run env.py, and *work* where it would migrate.

    :param config: Alembic's, with the :class:`Run` that the command made.
    :raises MigrationError: where env.py cannot be reached, or *work* raises it.
    """
    run = Run.of(config)
    script = ScriptDirectory.from_config(config)
    before, run.work = run.work, work
    options: Mapping[str, Any] = {"fn": _nothing, "as_sql": False}
    try:
        with EnvironmentContext(config, script, **options):
            script.run_env()
    finally:
        run.work = before


def _nothing(*_: Any) -> tuple[()]:
    return ()


def lazy(connectable: Any) -> Any:
    """Return what stands for *connectable* in env.py; an asynchronous engine is left as it is."""
    return LazyEngine(connectable) if isinstance(connectable, Engine) else connectable


# A command of ours, and the extension's configuration, count on being reached.
compat.require_wrapped(is_attached, UNREACHED)
