"""A naming convention came after the database: ``stamp`` and ``adopt`` tell names apart."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.library.flask.project import REVISION, StockProject
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

CONVENTION = """    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
"""

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
