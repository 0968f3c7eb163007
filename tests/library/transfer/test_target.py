"""What is there already, and what the server cannot or will not hold."""

import threading

import pytest

from alembic_lossless.errors import MigrationError
from alembic_lossless.transfer import transfer


def test_somebody_elses_tables_are_refused(library_mover):
    library_mover.there("CREATE TABLE invoice (id INTEGER)")
    with pytest.raises(MigrationError, match=r"not empty \(invoice\)"):
        library_mover()
    assert library_mover.tables() == ["invoice"]


def test_somebody_elses_rows_are_refused(library_mover):
    library_mover.chain.upgrade(library_mover.target)
    library_mover.there("INSERT INTO author VALUES (1, 'Lem')")
    with pytest.raises(MigrationError, match=r"not empty \(author\)"):
        library_mover()
    assert library_mover.there("SELECT * FROM author") == [(1, "Lem")]


def test_a_migrated_target_without_rows_is_taken(library_mover):
    library_mover.chain.upgrade(library_mover.target)
    assert library_mover().sums["book"].rows == 3


def test_one_that_cannot_hold_every_text_is_refused(library_mover, kind, request):
    server = request.getfixturevalue(kind)
    name = library_mover.target.database
    if kind == "postgresql":
        other = f"{name}_latin"
        server.server.run(
            f"CREATE DATABASE {other} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
            " TEMPLATE template0"
        )
        library_mover.target = library_mover.target.set(database=other)
    else:
        server.server.run(f"ALTER DATABASE `{name}` CHARACTER SET latin1")
    with pytest.raises(MigrationError, match=r"LATIN1|latin1"):
        library_mover()


def test_two_movers_at_once_do_not_double_a_row(library_mover):
    results = []

    def run():
        try:
            results.append(library_mover())
        except MigrationError as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(isinstance(result, transfer.TransferResult) for result in results)
    assert library_mover.there("SELECT count(*) FROM book") == [(3,)]
    assert library_mover().already


def test_triggers_of_the_target_change_nothing(library_mover, kind):
    library_mover.chain.upgrade(library_mover.target)
    if kind == "postgresql":
        library_mover.there(
            "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN NEW.name := upper(NEW.name); RETURN NEW; END'",
            "CREATE TRIGGER shout BEFORE INSERT ON author FOR EACH ROW EXECUTE FUNCTION shout()",
        )
        library_mover()
        assert library_mover.there("SELECT name FROM author WHERE id = 1") == [("Lem",)]
        library_mover.there("INSERT INTO author VALUES (99, 'loud')")
        assert library_mover.there("SELECT name FROM author WHERE id = 99") == [("LOUD",)]
    else:
        library_mover.there(
            "CREATE TRIGGER shout BEFORE INSERT ON author FOR EACH ROW"
            " SET NEW.name = upper(NEW.name)"
        )
        with pytest.raises(MigrationError, match=r"has triggers \(shout\)"):
            library_mover()
        assert library_mover.nothing_moved("author", "book")


def test_a_type_it_does_not_have_moves_nothing_until_that_is_mended(library_mover):
    library_mover.chain.add("3333", 'op.execute("CREATE TABLE t (c nosuchtype)")')
    library_mover.chain.upgrade(library_mover.source)
    with pytest.raises(MigrationError, match=r"Revision 3333 \(line 13 of .*\) does not run"):
        library_mover()
    assert library_mover.nothing_moved("author", "book")
    file = library_mover.chain.versions / "3333.py"
    text = file.read_text(encoding="utf-8").replace("nosuchtype", "integer")
    file.write_text(text, encoding="utf-8")
    assert library_mover().sums["book"].rows == 3
