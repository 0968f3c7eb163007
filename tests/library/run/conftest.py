"""A small application on a SQLite file."""

from pathlib import Path

import pytest

from tests.servers.run.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "shop", f"sqlite:///{tmp_path}/shop.sqlite")
    shop.revision(
        "a1",
        'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))',
        'op.drop_table("t")',
    )
    shop.revision(
        "a2",
        'op.add_column("t", sa.Column("n", sa.Integer))',
        'op.drop_column("t", "n")',
    )
    return shop
