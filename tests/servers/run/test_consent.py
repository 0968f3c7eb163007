"""Rows go only after they were counted and somebody agreed, in development too, and a backup is
made where the database's own program for it is installed."""

import os
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.servers.run.shop import TABLE, Shop, ask
from tests.support.servers import newest_programs


def test_reset_lists_the_rows_asks_and_makes_a_backup(
    shop: Shop, kind: str, tmp_path: Path
) -> None:
    environment = {"MIGRATION_DEVELOPMENT": "1"}
    shop.data, shop.path = tmp_path / "data", newest_programs()
    assert "Rebuilt" in shop.flask("db", "reset", **environment)
    shop.revision("a1", TABLE)
    shop.ask("CREATE TABLE t (id INTEGER, n INTEGER)")
    shop.ask("INSERT INTO t VALUES (1, 7), (2, 8)")
    refused = shop.flask("db", "reset", code=1, **environment)
    assert "  lose  table t (2 rows)\n" in refused
    assert "flask db reset --force gives it" in refused
    assert shop.ask("SELECT n FROM t ORDER BY id") == [(7,), (8,)]
    output = shop.flask("db", "reset", "--force", **environment)
    assert "Backed up to " in output
    assert "t" not in shop.tables()
    backup = Path(output.partition("Backed up to ")[2].partition("\n")[0])
    if kind == "sqlite":
        shop.flask("db", "undo", "--force", **environment)
        assert shop.ask("SELECT n FROM t ORDER BY id") == [(7,), (8,)]
    else:
        assert backup.stat().st_mode & 0o077 == 0
        assert backup.is_relative_to(tmp_path / "data" / "alembic-lossless" / "backups")
        restored = restore(shop, shop.flask("db", "undo", code=1, **environment))
        assert ask(restored, "SELECT n FROM t ORDER BY id") == [(7,), (8,)]


def restore(shop: Shop, shown: str) -> str:
    """Paste the commands that ``undo`` shows; return the URL of the new database."""
    for line in shown.splitlines():
        if line.startswith("  "):
            command = line.strip().replace(" --password", "")
            environment = {**os.environ, "PATH": newest_programs()}
            subprocess.run(command, shell=True, check=True, env=environment)
    url = sa.make_url(shop.url)
    restored = url.set(database=f"{url.database}_restored")
    return restored.render_as_string(hide_password=False)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_undo_is_named_only_where_a_backup_was_made(shop: Shop, kind: str, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("pg_dump", "mariadb-dump"):
        (programs / name).write_text("#!/bin/sh\necho 'pg_dump: it is too old' >&2\nexit 1\n")
        (programs / name).chmod(0o755)
    shop.data, shop.path = tmp_path / "data", f"{programs}:{os.environ['PATH']}"
    shop.revision("a1", TABLE, 'op.drop_table("t")')
    shop.flask("db", "upgrade", MIGRATION_DEVELOPMENT=1)
    output = shop.flask("db", "downgrade", "--force", MIGRATION_DEVELOPMENT=1)
    assert "! no backup was made of this development database: " in output
    assert "it is too old\n" in output
    assert "undo\n" not in output
    assert shop.tables() == set()


def test_without_the_programs_a_server_is_reset_without_a_backup(
    shop: Shop, kind: str, tmp_path: Path
) -> None:
    shop.data, shop.path = tmp_path / "data", "" if kind == "postgresql" else "/nowhere"
    shop.ask("CREATE TABLE t (id INTEGER)")
    shop.ask("INSERT INTO t VALUES (1)")
    output = shop.flask("db", "reset", "--force", MIGRATION_DEVELOPMENT=1)
    if kind == "sqlite":
        assert "Backed up to " in output
    else:
        assert "no backup is made before this" in output
    assert "t" not in shop.tables()
