"""What arrives is what was there, and the next row gets a new number."""

import enum
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa

from alembic_lossless.errors import MigrationError
from alembic_lossless.transfer import target as server


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


EVERYTHING = """op.create_table(
        "every thing",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("small", sa.SmallInteger()),
        sa.Column("big", sa.BigInteger()),
        sa.Column("text", sa.String(20)),
        sa.Column("long", sa.Text()),
        sa.Column("fixed", sa.CHAR(5)),
        sa.Column("yes", sa.Boolean()),
        sa.Column("money", sa.Numeric(10, 2)),
        sa.Column("ratio", sa.Double()),
        sa.Column("moment", sa.DateTime()),
        sa.Column("zoned", sa.DateTime(timezone=True)),
        sa.Column("day", sa.Date()),
        sa.Column("hour", sa.Time()),
        sa.Column("span", sa.Interval()),
        sa.Column("document", sa.JSON()),
        sa.Column("blob", sa.LargeBinary()),
        sa.Column("uuid", sa.Uuid()),
        sa.Column("colour", sa.Enum("RED", "BLUE", name="colour")),
        sa.Column("100% \\"odd\\" name", sa.Integer()),
        sa.Column("twice", sa.Integer(), sa.Computed("small * 2", persisted=True)),
    )"""

#: The same table for SQLAlchemy, which writes the rows as an application does.
TABLE = sa.Table(
    "every thing",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("small", sa.SmallInteger),
    sa.Column("big", sa.BigInteger),
    sa.Column("text", sa.String(20)),
    sa.Column("long", sa.Text),
    sa.Column("fixed", sa.CHAR(5)),
    sa.Column("yes", sa.Boolean),
    sa.Column("money", sa.Numeric(10, 2)),
    sa.Column("ratio", sa.Double),
    sa.Column("moment", sa.DateTime),
    sa.Column("zoned", sa.DateTime(timezone=True)),
    sa.Column("day", sa.Date),
    sa.Column("hour", sa.Time),
    sa.Column("span", sa.Interval),
    sa.Column("document", sa.JSON),
    sa.Column("blob", sa.LargeBinary),
    sa.Column("uuid", sa.Uuid),
    sa.Column("colour", sa.Enum(Colour, name="colour")),
    sa.Column('100% "odd" name', sa.Integer),
)
ROWS = [
    {
        "id": 1,
        "small": -32768,
        "big": 2**63 - 1,
        "text": "twenty \u0142etters \U0001f680 ok",
        "long": "a\tb\nc\\N\\.\r\x01" * 500,
        "fixed": "ab",
        "yes": True,
        "money": Decimal("12345678.99"),
        "ratio": 0.1 + 0.2,
        "moment": datetime(2024, 5, 1, 7, 8, 9),
        "zoned": datetime(2024, 5, 1, 7, 8, 9, tzinfo=UTC),
        "day": date(1582, 10, 15),
        "hour": time(23, 59, 59),
        "span": timedelta(days=3, seconds=7),
        "document": {"b": [1, 2.5, None, "\u20ac"], "a": {"x": "y"}},
        "blob": bytes(range(256)),
        "uuid": UUID(int=0x1234),
        "colour": Colour.BLUE,
        '100% "odd" name': -1,
    },
    {"id": 2, "yes": False, "money": Decimal("-0.01"), "document": 5, "text": "", "blob": b""},
    {"id": 40, "ratio": -1e-300, "document": "text", "money": Decimal("59.97")},
]


def test_every_type_arrives_as_the_application_reads_it(mover):
    mover.chain.add("1111", EVERYTHING)
    mover.chain.upgrade(mover.source)
    with sa.create_engine(mover.source, poolclass=sa.NullPool).begin() as connection:
        connection.execute(TABLE.insert(), [{**dict.fromkeys(ROWS[0]), **r} for r in ROWS])
    moved = mover()
    assert moved.sums["every thing"].rows == 3
    assert moved.notes == []

    def read(url):
        with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
            return [
                {
                    key: value.replace(tzinfo=None) if key == "zoned" and value else value
                    for key, value in row.items()
                }
                for row in connection.execute(TABLE.select().order_by("id")).mappings()
            ]

    here, there = read(mover.source), read(mover.target)
    for row in there:  # PostgreSQL pads it
        row["fixed"] = row["fixed"] and row["fixed"].rstrip()
    assert there == here
    assert there[0]["document"] == ROWS[0]["document"]


def test_the_next_row_gets_a_new_number(library_mover):
    library_mover()
    library_mover.there("INSERT INTO author (name) VALUES ('Strugatsky')")
    (number,) = library_mover.there("SELECT id FROM author WHERE name = 'Strugatsky'")[0]
    assert number == 8


def test_a_number_that_was_given_out_is_not_given_again(mover):
    mover.chain.add(
        "1111",
        'op.create_table("ticket", sa.Column("id", sa.Integer(), primary_key=True),'
        ' sa.Column("t", sa.Text()), sqlite_autoincrement=True)',
    )
    mover.chain.upgrade(mover.source)
    mover.here("INSERT INTO ticket VALUES (1, 'a'), (50, 'b')", "DELETE FROM ticket WHERE id = 50")
    mover()
    mover.there("INSERT INTO ticket (t) VALUES ('c')")
    assert mover.there("SELECT id FROM ticket WHERE t = 'c'") == [(51,)]


def test_a_key_of_zero_stays_zero(library_mover):
    library_mover.here("INSERT INTO author VALUES (0, 'Nobody')")
    library_mover()
    assert library_mover.there("SELECT name FROM author WHERE id = 0") == [("Nobody",)]


def test_rows_that_point_to_each_other_arrive(mover):
    mover.chain.add(
        "1111",
        'op.create_table("person", sa.Column("id", sa.Integer(), primary_key=True),'
        ' sa.Column("boss", sa.Integer(), sa.ForeignKey("person.id", name="fk_boss")),'
        ' sa.Column("team", sa.Integer()))',
        'op.create_table("team", sa.Column("id", sa.Integer(), primary_key=True),'
        ' sa.Column("lead", sa.Integer(), sa.ForeignKey("person.id", name="fk_lead")))',
        'with op.batch_alter_table("person") as batch_op:\n'
        '        batch_op.create_foreign_key("fk_team", "team", ["team"], ["id"])',
    )
    mover.chain.upgrade(mover.source)
    mover.here(
        "INSERT INTO person VALUES (1, 3, 1), (2, 1, 1), (3, NULL, 2)",
        "INSERT INTO team VALUES (1, 2), (2, 3)",
    )
    mover()
    assert mover.there("SELECT boss, team FROM person ORDER BY id") == [
        (3, 1),
        (1, 1),
        (None, 2),
    ]
    with pytest.raises(sa.exc.IntegrityError):
        mover.there("INSERT INTO team VALUES (9, 99)")


def test_tables_without_a_key_and_rows_that_are_equal(mover):
    mover.chain.add("1111", 'op.create_table("note", sa.Column("t", sa.Text()))')
    mover.chain.upgrade(mover.source)
    mover.here("INSERT INTO note VALUES ('a'), ('a'), (NULL)")
    assert mover().sums["note"].rows == 3
    assert mover().already


def test_rows_that_a_migration_makes_give_way_to_the_sources(library_mover):
    library_mover.chain.add("3333", "op.execute(\"INSERT INTO author VALUES (100, 'Homer')\")")
    library_mover.chain.upgrade(library_mover.source)
    library_mover.here("UPDATE author SET name = 'Homeros' WHERE id = 100")
    library_mover()
    assert library_mover.there("SELECT name FROM author WHERE id = 100") == [("Homeros",)]


def test_a_difference_on_arrival_moves_nothing(library_mover, monkeypatch):
    """Whatever changes a value on the way is found before anybody sees it."""
    send = server.send

    def garbled(target, table, name, batches, advance=lambda rows: None):
        spoilt = (
            [[*row[:2], str(row[2])[:3], *row[3:]] if len(row) > 2 else row for row in rows]
            for rows in batches
        )
        send(target, table, name, spoilt, advance)

    monkeypatch.setattr(server, "send", garbled)
    with pytest.raises(MigrationError, match=r"What arrived differs.*book: 3 row"):
        library_mover()
    assert library_mover.nothing_moved("author", "book")
