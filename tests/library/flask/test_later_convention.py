"""A naming convention came after the database: ``stamp`` and ``adopt`` tell names apart."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from alembic_lossless import naming
from tests.library.flask.project import OURS, REVISION, STOCK, StockProject
from tests.library.flask.test_one_import import TEMPLATE

FIRST = """op.create_table("customer", sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("mail", sa.String(length=50)),
        sa.PrimaryKeyConstraint("id"), sa.UniqueConstraint("mail"))
    op.create_table("purchase", sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"]), sa.PrimaryKeyConstraint("id"))"""

MODELS = """
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    mail: Mapped[str | None] = mapped_column(String(50), unique=True)


class Purchase(Base):
    __tablename__ = "purchase"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
"""

CONVENTION = f"    metadata = MetaData(naming_convention={naming.convention})\n"

OLDER = {"postgresql": "customer_mail_key", "mariadb": "mail"}


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_stamp_names_what_is_called_otherwise_and_adopt_renames_it(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    databases: Callable[[], str] = request.getfixturevalue(kind)
    project = StockProject(tmp_path / "project", databases(), TEMPLATE)
    (project.folder / "models.py").write_text(MODELS)
    text = REVISION.format(number=1, revision="0001", down=None, upgrade=FIRST)
    (project.migrations / "versions" / "0001_.py").write_text(text)
    project.flask("upgrade")
    project.edit("models.py", "ForeignKey, String", "ForeignKey, MetaData, String")
    project.edit("models.py", "    pass\n", CONVENTION)
    project.change_import()
    line = f"constraint uq_customer_mail on customer: the database calls it {OLDER[kind]}"

    assert "models and migrations agree" in project.flask("check")
    stamped = project.flask("stamp", "head")
    assert line in stamped
    assert "Nothing to do: at 0001." in stamped
    before = project.files()
    adopted = project.flask("adopt")
    assert line in adopted
    assert "Stamped: at 0001" in adopted
    (file,) = project.files() - before
    assert "RENAME" in (project.migrations / "versions" / file).read_text()
    project.flask("upgrade")
    assert "calls it" not in project.flask("stamp", "head")
    assert "Nothing to adopt" in project.flask("adopt")
    assert "models and migrations agree" in project.flask("check")


NOT_ON_SCRATCH = (
    'if "scratch" in str(op.get_bind().engine.url.database):\n'
    '        raise RuntimeError("what an old import left is not here")'
)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_snapshot_of_an_older_database_knows_what_today_names_otherwise(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The chain does not run on scratch databases, so the older database alone knows its names."""
    databases: Callable[[], str] = request.getfixturevalue(kind)
    older, today = databases(), databases()
    project = StockProject(tmp_path / "project", older, TEMPLATE)
    (project.folder / "models.py").write_text(MODELS)
    for revision, down, upgrade in [("0001", None, FIRST), ("0002", "0001", NOT_ON_SCRATCH)]:
        text = REVISION.format(number=1, revision=revision, down=down, upgrade=upgrade)
        (project.migrations / "versions" / f"{revision}_.py").write_text(text)
    project.flask("upgrade")
    project.edit("models.py", "ForeignKey, String", "ForeignKey, MetaData, String")
    project.edit("models.py", "    pass\n", CONVENTION)
    project.edit("app.py", repr(older), repr(today))
    project.flask("upgrade")
    project.edit("app.py", repr(today), repr(older))
    for url in (older, today):
        ask(url, "INSERT INTO customer (id, name, mail) VALUES (1, 'Ada', 'a@example.org')")
    project.change_import()

    assert "flask db baseline --from-database" in project.flask("check", code=1)
    taken = project.flask("baseline", "--from-database")
    assert (
        f"constraint {OLDER[kind]} on customer would be called uq_customer_mail by today's "
        "naming convention"
    ) in taken
    assert "models and migrations agree" in project.flask("check")
    assert "Nothing changed" in project.flask("migrate", "-m", "nothing")

    project.edit("models.py", "String(50), unique=True", "String(50)")
    before = project.files()
    project.flask("migrate", "-m", "drop unique")
    (file,) = project.files() - before
    text = (project.migrations / "versions" / file).read_text()
    assert OLDER[kind] in text
    assert "uq_customer_mail" in text
    for url, other in [(older, today), (today, older)]:
        if url == today:
            project.edit("app.py", repr(other), repr(url))
        project.flask("upgrade")
        ask(url, "INSERT INTO customer (id, name, mail) VALUES (2, 'Bo', 'a@example.org')")
        ask(url, "DELETE FROM customer WHERE id = 2")
        project.flask("downgrade")
        with pytest.raises(sa.exc.IntegrityError):
            ask(url, "INSERT INTO customer (id, name, mail) VALUES (3, 'Bo', 'a@example.org')")
        project.flask("upgrade")
    project.change_import(OURS, STOCK)
    project.flask("downgrade")
    project.flask("upgrade")


def ask(url: str, statement: str) -> None:
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql(statement)
