"""Whether a type holds a value, asked of the databases: each alters a column that holds it."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.exc import SQLAlchemyError

from alembic_lossless import sqlite
from alembic_lossless.checklist.rules.casts import using
from alembic_lossless.errors import MigrationError
from alembic_lossless.rehearsal.compare import _loose as spelled
from alembic_lossless.run.connection import private
from alembic_lossless.schema.values import fits

EVERYWHERE = {"sqlite", "postgresql", "mysql"}
SERVERS = {"postgresql", "mysql"}
TEXT, MOOD = sa.String(60), sa.Enum("fine", "sad", name="mood", native_enum=False)

#: The type of a column, what a row of it holds, its new type, and the databases that hold it then.
CASES: list[tuple[Any, Any, Any, set[str]]] = [
    (TEXT, "12", sa.Integer(), EVERYWHERE),
    (TEXT, "012", sa.Integer(), set()),
    (TEXT, "x9", sa.Integer(), set()),
    (TEXT, "", sa.Integer(), set()),
    (sa.BigInteger(), 3_000_000_000, sa.Integer(), {"sqlite"}),
    (sa.Integer(), 40_000, sa.SmallInteger(), {"sqlite"}),
    (sa.Double(), 5.0, sa.Integer(), EVERYWHERE),
    (sa.Double(), 5.5, sa.Integer(), set()),
    (sa.Numeric(8, 2), Decimal("7.00"), sa.Integer(), EVERYWHERE),
    (TEXT, "1.5", sa.Double(), EVERYWHERE),
    (TEXT, "1e3", sa.Double(), SERVERS),
    (sa.BigInteger(), 2**53, sa.Double(), EVERYWHERE),
    (sa.BigInteger(), 2**53 + 1, sa.Double(), set()),
    (sa.Double(), 1234.5678, sa.Float(), {"sqlite", "postgresql"}),
    (TEXT, "1.50", sa.Numeric(6, 2), SERVERS),
    (TEXT, "01.5", sa.Numeric(6, 2), set()),
    (sa.Double(), 1.239, sa.Numeric(6, 2), {"sqlite"}),
    (sa.Double(), 12345.0, sa.Numeric(6, 2), set()),
    (sa.Numeric(8, 2), Decimal("1.50"), sa.Numeric(), {"sqlite", "postgresql"}),
    (sa.Integer(), 1, sa.Boolean(), EVERYWHERE),
    (sa.Integer(), 2, sa.Boolean(), set()),
    (TEXT, "1", sa.Boolean(), EVERYWHERE),
    (TEXT, "true", sa.Boolean(), {"postgresql"}),
    (TEXT, "yes", sa.Boolean(), set()),
    (sa.Integer(), 123, sa.String(3), EVERYWHERE),
    (sa.Integer(), 123, sa.String(2), set()),
    (TEXT, "four", sa.String(3), set()),
    (sa.Boolean(), True, sa.String(3), {"sqlite", "mysql"}),
    (TEXT, "2024-05-01 07:08:09", sa.DateTime(), EVERYWHERE),
    (TEXT, "2024-05-01 07:08:09.500000", sa.DateTime(), {"sqlite", "postgresql"}),
    (TEXT, "2024-05-01T07:08:09+02:00", sa.DateTime(), {"sqlite"}),
    (TEXT, "2024-02-31", sa.DateTime(), set()),
    (TEXT, "2024-W18-3", sa.Date(), set()),
    (TEXT, "2024-05-01", sa.Date(), EVERYWHERE),
    (TEXT, "2400-05-01", sa.Date(), EVERYWHERE),
    (TEXT, "2400-05-01 00:00:00", sa.DateTime(), EVERYWHERE),
    (TEXT, "2024-05-01 07:08:00", sa.Date(), set()),
    (TEXT, "2024-05-01 00:00:00", sa.Date(), SERVERS),
    (sa.DateTime(), datetime(2024, 5, 1), sa.Date(), SERVERS),
    (sa.DateTime(), datetime(2024, 5, 1, 7), sa.Date(), set()),
    (TEXT, "07:08:09", sa.Time(), EVERYWHERE),
    (TEXT, "24:00", sa.Time(), set()),
    (TEXT, '{"a": 1}', sa.JSON(), EVERYWHERE),
    (TEXT, "{a", sa.JSON(), set()),
    (TEXT, '{"a": NaN}', sa.JSON(), set()),
    (TEXT, "fine", MOOD, EVERYWHERE),
    (TEXT, "glad", MOOD, set()),
    (TEXT, "text", sa.LargeBinary(), set()),
    (sa.LargeBinary(), b"text", sa.Text(), set()),
]


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def connection(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[sa.Connection]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'base.sqlite'}"
    else:
        url = request.getfixturevalue({"mysql": "mariadb"}.get(request.param, request.param))()
    with private(sa.make_url(url)).connect() as connection:
        yield connection


def altered(connection: sa.Connection, old: Any, value: Any, new: Any) -> bool:
    """Whether a row holds *value* after its column has become another."""
    table = sa.Table("t", sa.MetaData(), sa.Column("a", old))
    table.create(connection)
    connection.execute(table.insert(), {"a": value})
    before = connection.execute(sa.select(table.c.a)).scalar_one()
    connection.commit()
    is_sqlite = connection.dialect.name == "sqlite"
    try:
        context = MigrationContext.configure(connection)
        if is_sqlite:
            sqlite.require(context)
        Operations(context).alter_column(
            "t", "a", type_=new, existing_type=old, postgresql_using=using("a", old, new)
        )
        # SQLite keeps what it is given.
        read = sa.column("a", None if is_sqlite and new is not MOOD else new)
        after = connection.execute(sa.select(read).select_from(table)).scalar_one()
        is_same = isinstance(before, bytes) == isinstance(after, bytes)
        return is_same and bool(spelled(before) == spelled(after))
    except (SQLAlchemyError, MigrationError, LookupError, ValueError):
        return False
    finally:
        connection.rollback()
        table.drop(connection)
        connection.commit()


def test_fits_says_what_each_database_does(connection: sa.Connection) -> None:
    kind = {"mariadb": "mysql"}.get(connection.dialect.name, connection.dialect.name)
    wrong = []
    for old, value, new, holders in CASES:
        answers = altered(connection, old, value, new), fits(value, new, kind) is None
        if answers != (kind in holders, kind in holders):
            wrong.append((repr(old), value, repr(new), *answers))
    assert wrong == []


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_noise_of_a_floating_point_number_is_no_loss(kind: str) -> None:
    """59.97 may stand in a row as 59.970000000000006."""
    assert fits(59.970000000000006, sa.Numeric(6, 2), kind) is None
    assert str(fits(59.974, sa.Numeric(6, 2), kind)) == "has more than 2 digits after the point"


def test_what_a_value_can_be_instead_is_named() -> None:
    misfit = fits(1.239, sa.Numeric(6, 2), "postgresql")
    assert misfit is not None
    assert misfit.nearest == Decimal("1.24")


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_long_numbers_keep_their_digits(kind: str) -> None:
    number = Decimal("12345678901234567890.1234567891")
    assert fits(number, sa.Numeric(38, 10), kind) is None
    assert fits(number, sa.Numeric(38, 4), kind) is not None
    assert (fits(Decimal("1.5"), sa.Numeric(scale=1), kind) is None) == (kind == "postgresql")
    assert fits(10**400, sa.Double(), kind) is not None
