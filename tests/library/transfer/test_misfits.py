"""Rows that the target does not take: named, counted, and nothing is moved."""

from decimal import Decimal

import pytest

from alembic_lossless.transfer.rows import Refused


@pytest.mark.parametrize(
    ("column", "stored", "reason"),
    [
        ("sa.Integer()", "'x9'", "is a text, not a whole number"),
        ("sa.Integer()", "3000000000", "is not between -2147483648 and 2147483647"),
        ("sa.Integer()", "1.5", "is a number, not a whole number"),
        ("sa.String(3)", "'four'", "has more than 3 characters"),
        ("sa.String(3)", "x'00'", "is bytes, not a text"),
        ("sa.String(3)", "CAST(x'ff' AS TEXT)", "is not UTF-8"),
        ("sa.DateTime()", "'yesterday'", "is not a date and time"),
        ("sa.DateTime()", "1714547289", "is a number, not a date and time"),
        ("sa.DateTime()", "'2024-05-01 00:00:00+02:00'", "has an offset"),
        ("sa.Date()", "'2024-02-30'", "is not a date"),
        ("sa.Numeric(4, 2)", "100", "has more than 2 digits before the point"),
        ("sa.Numeric(4, 2)", "'ten'", "is a text, not a number"),
        ("sa.LargeBinary()", "'text'", "is a text, not bytes"),
        ("sa.JSON()", "'{'", "is not a JSON text"),
        ('sa.Enum("a", "b", name="ab")', "'c'", "is none of the values of the type"),
    ],
)
def test_are_named_and_counted_and_nothing_is_moved(mover, column, stored, reason):
    mover.table(f'sa.Column("c", {column})')
    mover.here(f"INSERT INTO t VALUES (1, NULL), (7, {stored}), (8, {stored})")
    (refusal,) = mover.refusals()
    assert refusal.what == "t.c"
    assert refusal.count == 2
    assert reason in refusal.reason
    assert refusal.first[0].startswith("id=7: ")
    assert mover.nothing_moved("t")


def test_what_a_column_without_a_type_holds_arrives_where_it_reads_the_same(mover):
    mover.table('sa.Column("number", sa.Integer()), sa.Column("text", sa.String(5))')
    mover.here(
        "CREATE TABLE u (id INTEGER PRIMARY KEY, number, text)",
        "INSERT INTO u VALUES (1, '12', 12), (2, 5.0, 1.5)",
        "DROP TABLE t",
        "ALTER TABLE u RENAME TO t",
    )
    mover()
    assert mover.there("SELECT number, text FROM t ORDER BY id") == [(12, "12"), (5, "1.5")]
    mover.there("DELETE FROM t")
    mover.here("UPDATE t SET number = '012' WHERE id = 1")
    assert [refusal.what for refusal in mover.refusals()] == ["t.number"]


def test_two_in_a_boolean(mover, kind):
    mover.table('sa.Column("c", sa.Boolean())')
    mover.here("INSERT INTO t VALUES (1, 2)")
    if kind == "postgresql":
        with pytest.raises(Refused, match="refuses 1"):
            mover()
    else:
        assert mover().sums["t"].rows == 1


def test_nul_in_a_text(library_mover, kind):
    library_mover.here("UPDATE book SET title = 'a' || char(0) || 'b' WHERE id = 2")
    if kind == "postgresql":
        refusals = library_mover.refusals()
        assert "NUL character" in str(refusals[0])
    else:
        library_mover()
        assert library_mover.there("SELECT title FROM book WHERE id = 2") == [("a\0b",)]


def test_missing_values(library_mover):
    """A NOT NULL that somebody took off the source by hand."""
    library_mover.here(
        "CREATE TABLE b (id INTEGER PRIMARY KEY, author_id, title, year, pages)",
        "INSERT INTO b SELECT * FROM book",
        "INSERT INTO b VALUES (10, 1, NULL, 1, 1)",
        "DROP TABLE book",
        "ALTER TABLE b RENAME TO book",
    )
    refusals = library_mover.refusals()
    assert "book.title: 1 row in which the value is missing (NULL)" in str(refusals[0])


def test_a_fraction_the_target_would_cut_off_needs_consent(mover, kind):
    mover.table('sa.Column("at", sa.DateTime()), sa.Column("price", sa.Numeric(6, 2))')
    mover.here("INSERT INTO t VALUES (1, '2024-05-01 07:08:09.123456', 1.239)")
    refusals = mover.refusals()
    whats = [r.what for r in refusals]
    assert whats == (["t.price"] if kind == "postgresql" else ["t.at", "t.price"])
    assert all(r.may_be_accepted for r in refusals)
    mover(accepted={"t.price", "t.at"})
    ((at, price),) = mover.there("SELECT at, price FROM t")
    assert price == Decimal("1.24")
    assert at.microsecond == (123456 if kind == "postgresql" else 0)


def test_what_the_targets_collation_takes_for_equal(library_mover, kind):
    library_mover.here(
        "INSERT INTO author VALUES (21, 'Ann'), (22, 'ANN'), (23, 'ann'), (24, 'Bob')"
    )
    if kind == "postgresql":
        assert library_mover().sums["author"].rows == 6
        return
    assert [str(r) for r in library_mover.refusals()] == [
        "author: 3 rows equal to another in name, as the target compares "
        "(first id=21; id=22; id=23)"
    ]
    assert library_mover.nothing_moved("author", "book")


def test_what_the_targets_check_refuses(mover, kind):
    """LIKE minds case on PostgreSQL and not on SQLite; a CHECK can be set aside there too."""
    mover.table('sa.Column("c", sa.Text()), sa.CheckConstraint("c LIKE \'a%\'", name="ck_t_a")')
    mover.here(
        "INSERT INTO t VALUES (1, 'abc'), (2, 'ABC')",
        "PRAGMA ignore_check_constraints = ON",
        "INSERT INTO t VALUES (3, 'xyz'), (4, 'XYZ')",
    )
    (refusal,) = mover.refusals()
    assert refusal.what == "t"
    assert refusal.reason.startswith("against CHECK")
    assert refusal.count == (3 if kind == "postgresql" else 2)
    assert refusal.first[0] == ("id=2" if kind == "postgresql" else "id=3")
    assert mover.nothing_moved("t")


def test_more_than_mariadbs_text_holds(mover, kind):
    mover.table('sa.Column("c", sa.Text()), sa.Column("b", sa.LargeBinary())')
    mover.here("INSERT INTO t VALUES (1, printf('%.*c', 65535, 'x'), zeroblob(65535))")
    assert mover().sums["t"].rows == 1
    if kind == "mariadb":
        mover.there("DELETE FROM t")
        mover.here("UPDATE t SET c = c || 'x', b = zeroblob(65536)")
        assert [r.what for r in mover.refusals()] == ["t.c", "t.b"]
