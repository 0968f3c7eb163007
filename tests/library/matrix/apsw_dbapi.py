"""apsw's SQLite, which is newer than Python's, in the form that SQLAlchemy's dialect needs.

Hand it to ``create_engine("sqlite://…", module=apsw_dbapi)``. As in the engine that migrates, a
transaction begins where somebody says BEGIN.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import apsw

paramstyle = "qmark"
threadsafety = 1
PARSE_DECLTYPES = PARSE_COLNAMES = 0
sqlite_version = apsw.sqlite_lib_version()
sqlite_version_info = tuple(int(part) for part in sqlite_version.split("."))


class Error(Exception):
    sqlite_errorname = ""


class DatabaseError(Error):
    pass


class OperationalError(DatabaseError):
    pass


class IntegrityError(DatabaseError):
    pass


InterfaceError = DataError = InternalError = ProgrammingError = NotSupportedError = DatabaseError


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except apsw.ConstraintError as error:
        raise IntegrityError(str(error)) from error
    except apsw.Error as error:
        raise OperationalError(str(error)) from error


class Cursor:
    arraysize = 1
    lastrowid = None

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self.description: list[tuple[Any, ...]] | None = None
        self.rowcount = -1

    def execute(self, statement: str, values: Sequence[Any] = ()) -> "Cursor":
        with _translated():
            before = self._connection.total_changes()
            cursor = self._connection.cursor()
            self.description = None

            def describe(_: object, statement: str, bindings: object) -> bool:
                described = cursor.get_description()
                self.description = [(name, *[None] * 6) for name, *_ in described] or None
                return True

            cursor.exec_trace = describe
            self._rows = list(cursor.execute(statement, tuple(values)))
            changed = self._connection.total_changes() - before
        self.rowcount = -1 if self.description else changed
        return self

    def executemany(self, statement: str, many: Sequence[Sequence[Any]]) -> "Cursor":
        for values in many:
            self.execute(statement, values)
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        taken, self._rows = self._rows[:size], self._rows[size:]
        return taken

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.fetchmany(len(self._rows))

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.fetchall())

    def close(self) -> None:
        self._rows = []


class Connection:
    isolation_level: str | None = None

    def __init__(self, path: str) -> None:
        self.own = apsw.Connection(path)
        self.own.set_busy_timeout(5000)

    def cursor(self) -> Cursor:
        return Cursor(self.own)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Cursor:
        return self.cursor().execute(statement, values)

    def commit(self) -> None:
        if self.own.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        if self.own.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        self.own.close()

    def create_function(self, name: str, count: int, call: Any, **options: Any) -> None:
        self.own.create_scalar_function(name, call, count, **options)


def connect(path: str, **options: object) -> Connection:
    return Connection(path)
