"""The role that migrates: its password, its database, and what it leaves to the application."""

import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.conftest import Databases
from tests.servers.run.shop import Shop, ask, until

SECRET = "p@s:s/w#o?r&d%20 '\"\\$`!*[]{}"
TABLE = """
op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))
op.execute("INSERT INTO t (id) VALUES (1)")
"""

servers = pytest.mark.parametrize("kind", ["postgresql", "mariadb"])


@pytest.fixture
def databases(kind: str, request: pytest.FixtureRequest) -> Databases:
    found: Databases = request.getfixturevalue(kind)
    return found


def roles(databases: Databases, tmp_path: Path, **settings: Any) -> tuple[Shop, sa.URL]:
    """An application whose own role may not change the schema, and the URL of the one that may."""
    migrator = sa.make_url(databases(user="migrator", password=SECRET))
    database = migrator.database or ""
    application = migrator.set(username="app", password="app")
    if migrator.get_backend_name() == "postgresql":
        known = databases.server.run("SELECT rolname FROM pg_roles WHERE rolname = 'app'")
        if not known:
            databases.server.run("CREATE ROLE app LOGIN PASSWORD 'app'")
    else:
        databases.server.run(
            "CREATE OR REPLACE USER 'app'@'localhost' IDENTIFIED BY 'app'",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {database}.* TO 'app'@'localhost'",
        )
    shop = Shop(tmp_path / "shop", application.render_as_string(False), **settings)
    shop.revision("a1", TABLE)
    return shop, migrator


def whole(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


def without_password(url: sa.URL) -> str:
    return whole(url._replace(password=None))


@servers
def test_the_application_uses_what_the_migration_role_made(
    databases: Databases, tmp_path: Path
) -> None:
    shop, migrator = roles(databases, tmp_path)
    assert "failed" in shop.flask("db", "upgrade", code=1)
    said = shop.flask("db", "upgrade", SQLALCHEMY_ALEMBIC_URI=whole(migrator))
    assert "migrator:***@" in said
    assert SECRET not in said
    shop.ask("INSERT INTO t (id) VALUES (2)")
    assert shop.ask("SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    assert shop.at() == ["a1"]
    assert "Nothing to do: at a1" in shop.flask(
        "db", "upgrade", SQLALCHEMY_ALEMBIC_URI=whole(migrator)
    )


@servers
def test_the_password_can_stand_apart_from_the_uri(databases: Databases, tmp_path: Path) -> None:
    shop, migrator = roles(databases, tmp_path)
    bare = without_password(migrator)
    said = shop.flask("db", "upgrade", SQLALCHEMY_ALEMBIC_URI=bare, MIGRATION_PASSWORD=SECRET)
    assert "Applied 1 revision" in said
    assert SECRET not in said


@servers
def test_nobody_to_ask_ends_in_a_sentence(databases: Databases, tmp_path: Path) -> None:
    shop, migrator = roles(databases, tmp_path)
    said = shop.flask("db", "upgrade", code=1, SQLALCHEMY_ALEMBIC_URI=without_password(migrator))
    assert "exit 1:" in said
    assert "asks for a password: set MIGRATION_PASSWORD, or run this on a terminal" in said


@servers
def test_at_the_head_no_password_is_needed(databases: Databases, tmp_path: Path) -> None:
    shop, migrator = roles(databases, tmp_path)
    shop.flask("db", "upgrade", SQLALCHEMY_ALEMBIC_URI=whole(migrator))
    said = shop.flask("db", "upgrade", SQLALCHEMY_ALEMBIC_URI=without_password(migrator))
    assert "Nothing to do" in said
    shop.flask("db", "upgrade", SQLALCHEMY_ALEMBIC_URI=without_password(migrator))


@servers
def test_looking_needs_no_password(databases: Databases, tmp_path: Path) -> None:
    shop, migrator = roles(databases, tmp_path)
    shop.flask("db", "upgrade", SQLALCHEMY_ALEMBIC_URI=whole(migrator))
    shop.revision("a9", "pass")
    said = shop.flask("db", "history", SQLALCHEMY_ALEMBIC_URI=without_password(migrator))
    assert said.count("applied") == said.count(" by ") == len(shop.at())
    assert "pending  a9" in said
    said = shop.flask("db", "plan", SQLALCHEMY_ALEMBIC_URI=without_password(migrator))
    assert "1 migration pending" in said


@servers
def test_a_person_types_it_unseen(databases: Databases, tmp_path: Path) -> None:
    shop, migrator = roles(databases, tmp_path)
    master, terminal = pty.openpty()
    with subprocess.Popen(
        [shop.python, "-m", "flask", "db", "upgrade"],
        cwd=shop.root,
        env=shop.environment(SQLALCHEMY_ALEMBIC_URI=without_password(migrator)),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        said = b""
        while chunk := _read(master):
            said += chunk
            if b"Password of migrator" in chunk:
                os.write(master, SECRET.encode() + b"\n")
    os.close(master)
    assert process.returncode == 0, said
    assert b"Applied 1 revision" in said
    assert SECRET.encode() not in said


def _read(master: int) -> bytes:
    try:
        return os.read(master, 4096)
    except OSError:  # the terminal is closed
        return b""


def test_pgpass_needs_no_question(postgresql: Databases, tmp_path: Path) -> None:
    shop, migrator = roles(postgresql, tmp_path)
    passfile = tmp_path / "pgpass"
    passfile.write_text("*:*:*:migrator:" + re.sub(r"([\\:])", r"\\\1", SECRET) + "\n")
    passfile.chmod(0o600)
    bare = migrator._replace(password=None).update_query_dict({"passfile": str(passfile)})
    assert "Applied 1" in shop.flask("db", "upgrade", SQLALCHEMY_ALEMBIC_URI=whole(bare))


@servers
def test_a_wrong_password_is_not_asked_for_again(databases: Databases, tmp_path: Path) -> None:
    shop, migrator = roles(databases, tmp_path)
    wrong = whole(migrator.set(password="not " + SECRET))
    said = shop.flask("db", "upgrade", code=1, SQLALCHEMY_ALEMBIC_URI=wrong)
    assert "exit 1: Cannot connect to" in said
    assert "Correct the URI or the password" in said
    assert SECRET not in said


@servers
def test_the_password_is_seen_nowhere(databases: Databases, tmp_path: Path) -> None:
    shop, migrator = roles(databases, tmp_path)
    shop.revision("a2", 'op.execute("SELECT 1")\ntime.sleep(1)')
    shop.revision("a3", 'op.execute("INSERT INTO t (id) VALUES (1)")')
    settings = {
        "SQLALCHEMY_ALEMBIC_URI": without_password(migrator),
        "MIGRATION_PASSWORD": SECRET,
        "DEBUG": 1,
    }
    running = shop.start("--debug", "db", "upgrade", **settings)
    said = until(running, "upgrade    a2")
    processes = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True).stdout
    said += running.communicate(timeout=60)[0]
    assert running.returncode == 1, said
    assert "Revision a3 failed" in said
    seen = said + processes + str(shop.ask("SELECT * FROM alembic_lossless_log"))
    seen += "".join(
        file.read_text(errors="replace") for file in shop.root.rglob("*") if file.is_file()
    )
    for form in (SECRET, sa.make_url(whole(migrator)).render_as_string(False).split("@")[0]):
        assert form not in seen


@servers
def test_a_missing_database_is_made(databases: Databases, tmp_path: Path) -> None:
    admin = sa.make_url(databases())
    name = 'it\'s "new" `100%` :x' + str(os.getpid())
    shop = Shop(tmp_path / "shop", whole(admin.set(database=name)))
    shop.revision("a1", TABLE)
    said = [
        process.communicate(timeout=60)
        for process in [shop.start("db", "upgrade") for _ in range(4)]
    ]
    assert sum(f"Created the database {name}." in words for words, _ in said) >= 1, said
    assert sum("Applied 1 revision" in words for words, _ in said) == 1, said
    assert shop.ask("SELECT id FROM t") == [(1,)]


@servers
def test_a_role_that_may_not_make_it_says_what_to_ask_for(
    databases: Databases, tmp_path: Path
) -> None:
    _, migrator = roles(databases, tmp_path)
    shop = Shop(tmp_path / "other", whole(migrator.set(database="shop_new")))
    shop.revision("a1", TABLE)
    said = shop.flask("db", "upgrade", code=1)
    assert "sk the administrator for: CREATE DATABASE" in said
    assert "shop_new" in said


def test_no_server(tmp_path: Path) -> None:
    for uri in (
        "postgresql+psycopg://a:secret@127.0.0.1:1/x",
        "mysql+pymysql://a:secret@127.0.0.1:1/x",
    ):
        shop = Shop(tmp_path / uri[:5], uri)
        shop.revision("a1", TABLE)
        said = shop.flask("db", "upgrade", code=1)
        assert "exit 1: Cannot connect to" in said
        assert "refused" in said
        assert "secret" not in said


def test_default_privileges_that_stand_are_left_alone(
    postgresql: Databases, tmp_path: Path
) -> None:
    shop, migrator = roles(postgresql, tmp_path)
    ask(whole(migrator), "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app")
    said = shop.flask("db", "upgrade", SQLALCHEMY_ALEMBIC_URI=whole(migrator))
    assert "can be used by" not in said
    assert shop.ask("SELECT id FROM t") == [(1,)]
    with pytest.raises(sa.exc.ProgrammingError):
        shop.ask("DELETE FROM t")
