"""When a commit waits for the disk on PostgreSQL: the last of a run, and each that is alone."""

from pathlib import Path

import sqlalchemy as sa

from tests.conftest import Databases
from tests.servers.run.shop import Shop

MADE = 'op.create_table("seen", sa.Column("revision", sa.Text), sa.Column("waits", sa.Text))'


def seen(revision: str) -> str:
    return (
        f"op.execute(\"INSERT INTO seen VALUES ('{revision}', "
        "current_setting('synchronous_commit'))\")"
    )


def test_the_last_commit_of_a_run_waits_for_the_disk(postgresql: Databases, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", postgresql())
    database = sa.make_url(shop.url).database
    shop.ask(f"ALTER DATABASE {database} SET synchronous_commit = local")  # as somebody set it
    shop.revision("a1", f"{MADE}\n{seen('a1')}")
    shop.revision("a2", seen("a2"))
    # What an autocommit block commits comes after the transaction that began it.
    shop.revision("a3", f"with op.get_context().autocommit_block():\n    {seen('a3')}")
    shop.flask("db", "upgrade")
    shop.revision("a4", seen("a4"))
    shop.flask("db", "upgrade")
    assert shop.ask("SELECT * FROM seen ORDER BY revision") == [
        ("a1", "off"),
        ("a2", "off"),
        ("a3", "local"),
        ("a4", "local"),
    ]
