"""The checksum of a migration counts what the file means, on every Python alike."""

import pytest

from alembic_lossless.run.history import checksum

SOURCE = '''
"""add nickname

Revises: abc
"""

import sqlalchemy as sa
from alembic import op

revision = "def"
names: list[str] = ["a", "b"]


def upgrade() -> None:
    """Up."""
    with op.batch_alter_table("user") as batch_op:
        batch_op.add_column(sa.Column("nickname", sa.String(40), nullable=True))
    for name in names:
        op.execute(f"UPDATE user SET {name!r} = '{1 + 1:>{len(name)}}' WHERE x = 'é {{}}'")


match names:
    case [*_]:
        pass
'''

RESPELT = '''
# A comment.
import sqlalchemy as sa
from alembic import op

revision = 'def'
names: list[str] = [
    'a',
    "b",  # with a comment
]


def upgrade() -> None:
    """Said otherwise.

    At length."""

    with (op.batch_alter_table("user")) as batch_op:
        batch_op.add_column(
            sa.Column(
                "nickname",
                sa.String(40),
                nullable=(True),
            ),
        )
    for name in names:
        op.execute(
            f"""UPDATE user SET {name!r} = '{1 + 1:>{len(name)}}' WHERE x = '\\xe9 {{}}'"""
        )


match names:
    case [*_]: pass
'''

#: Taken on Python 3.11, 3.12 and 3.13.
DIGEST = "bc7ba547c4457383bd84072b9d0e2ac8"


def test_it_is_the_same_on_every_python():
    assert checksum(SOURCE) == DIGEST


def test_layout_comments_docstrings_and_spelling_do_not_count():
    assert checksum(RESPELT) == checksum(SOURCE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("String(40)", "String(41)"),
        ("nickname", "nick_name"),
        ("nullable=True", "nullable=False"),
        ("'{1 + 1", "'{1 + 2"),
        ('["a", "b"]', '["a", "b", ""]'),
        ('["a", "b"]', '("a", "b")'),
        ("        pass", "        pass\n        pass"),
        ("é", "è"),
        ('revision = "def"', 'revision = "deg"'),
        ("names: list[str]", "name: list[str]"),
        ("sa.String", "sb.String"),
    ],
)
def test_what_changes_the_meaning_counts(before, after):
    assert before in SOURCE
    assert checksum(SOURCE.replace(before, after)) != checksum(SOURCE)


IMPORTED = """
import my.package.types
import sqlalchemy as sa
from alembic import op
from my.package.types import GUID

revision: str = "def"
down_revision = None
accepted = {"drop-column user.name": "unused"}


def upgrade(engine: str = "") -> None:
    op.add_column("user", sa.Column("id", my.package.types.Number(my.package.types.SIZE)))
    op.add_column("user", sa.Column("key", GUID()))
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("my.package.types", "my.columns"),
        ("import sqlalchemy as sa", "import sqlalchemy as sa\nimport os"),
        ("from alembic import op\n", ""),
        ('accepted = {"drop-column user.name": "unused"}', ""),
        ('"unused"', '"nobody reads it"'),
        ("accepted = {", "accepted: dict[str, str] = {"),
        ("revision: str = ", "revision = "),
        ("engine: str", "engine: 'str | None'"),
        (" -> None", ""),
    ],
)
def test_paths_of_imports_consent_and_annotations_do_not_count(before, after):
    assert before in IMPORTED
    assert checksum(IMPORTED.replace(before, after)) == checksum(IMPORTED)


def test_another_name_of_the_same_module_counts():
    assert checksum(IMPORTED.replace("types.Number", "types.Text")) != checksum(IMPORTED)
    assert checksum(IMPORTED.replace("GUID", "UUID")) != checksum(IMPORTED)
