"""Whether the application may serve, and what is done where nothing is to do."""

import os
import re
import shutil
from pathlib import Path
from textwrap import dedent

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from alembic_lossless.run import lock
from alembic_lossless.run.chain import Chain, read_chain
from alembic_lossless.run.connection import private
from tests.servers.run.shop import Shop

READY = """
from shop import create_app

client = create_app().test_client()
for _ in range(2):
    answer = client.get("/health/ready")
    print(answer.status_code, answer.json["status"])
"""


def ready(shop: Shop) -> str:
    first, second = shop.python_run(READY).splitlines()
    assert first == second
    return first


def test_ready_is_the_head_that_the_code_knows(shop: Shop) -> None:
    assert ready(shop) == "503 migrations pending"
    shop.flask("db", "upgrade", "a1")
    assert ready(shop) == "503 migrations pending"
    shop.flask("db", "upgrade")
    assert ready(shop) == "200 ready"


def newer(shop: Shop) -> None:
    """Let newer code than this one migrate the database."""
    file = shop.revision("a3", 'op.execute("SELECT 1")')
    then = shop.revision("a4", 'op.execute("SELECT 1")')
    shop.flask("db", "upgrade")
    file.unlink()
    then.unlink()


def test_old_code_still_serves_while_the_new_is_deployed(shop: Shop) -> None:
    newer(shop)
    assert ready(shop) == "200 ready"
    said = shop.flask("db", "upgrade")
    assert "Nothing to do: at a4, with all that this code knows, and more" in said
    shop.flask("db", "upgrade")
    assert shop.at() == ["a4"]


def test_old_code_tells_what_newer_code_applied(shop: Shop) -> None:
    shop.revision("a3", "pass")
    shop.flask("db", "upgrade")
    (shop.versions / "20260101_0000_a3_a3.py").unlink()
    said = shop.flask("db", "history")
    assert "applied  a3  (not in this code)" in said
    assert "applied  a2" in said
    assert "pending" not in said
    ahead = "Nothing is pending: at a3, with all that this code knows, and more"
    assert ahead in shop.flask("db", "plan")


def test_a_revision_nobody_knows_is_not_ready(shop: Shop) -> None:
    newer(shop)
    shop.ask("DELETE FROM alembic_lossless_log WHERE revision = 'a3'")
    assert ready(shop) == "503 the database is at an unknown revision"
    said = shop.flask("db", "upgrade", code=1)
    assert "is at revision a4, which is not among these migrations" in said


def test_another_branch_of_newer_code_is_not_ready(shop: Shop) -> None:
    file = shop.revision("b2", 'op.execute("SELECT 1")', down="a1")
    shop.flask("db", "upgrade", "b2")
    file.unlink()
    assert ready(shop) == "503 the database is at an unknown revision"


def test_nothing_to_do_takes_no_lock_and_writes_nothing(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    database = Path(sa.make_url(shop.url).database or "")
    before = database.read_bytes()
    os.utime(database, ns=(1, 1))
    engine = private(sa.make_url(shop.url))
    with engine.connect() as connection, lock.hold(connection, 0, print), connection.begin():
        assert "Nothing to do: at a2" in shop.flask("db", "upgrade")
        shop.flask("db", "upgrade")
        assert "a2 (head)" in shop.flask("db", "current")
    assert database.stat().st_mtime_ns == 1
    assert database.read_bytes() == before


def test_looking_makes_no_file(shop: Shop) -> None:
    shop.flask("db", "heads")
    shop.flask("db", "check", code=4)
    assert not Path(sa.make_url(shop.url).database or "").exists()


def test_an_empty_chain_has_nothing_to_do(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", f"sqlite:///{tmp_path}/shop.sqlite")
    assert "Nothing to do: at no revision" in shop.flask("db", "upgrade")
    shop.flask("db", "upgrade")
    assert ready(shop) == "200 ready"


FILE = """
revision = "{0}"
down_revision = {1}
branch_labels = None
depends_on = {2}
"""


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"a": "revision = 'a'\ndown_revision = None\n"},
        {"a": FILE.format("a", None, None), "b": FILE.format("b", '"a"', None)},
        {
            "a": FILE.format("a", None, None),
            "b": FILE.format("b", '"a"', None),
            "c": FILE.format("c", '"a"', None),
        },
        {
            "a": FILE.format("a", None, None),
            "b": FILE.format("b", '"a"', None),
            "c": FILE.format("c", '"a"', None),
            "d": FILE.format("d", '("b", "c")', None),
        },
        {"a": "revision: str = 'a'\ndown_revision: str | None = None\n"},
        {"a": FILE.format("a", None, None), "b": FILE.format("b", None, '"a"')},
        {"a": 'parts = ["a"]\nrevision = parts[0]\ndown_revision = None\n'},
        {"a": '"""\nrevision = "z"\n"""\nrevision = "a"\ndown_revision = None\n'},
        {"a": "revision = (\n    'a'\n)\ndown_revision = None\n"},
        {"a": "def upgrade():\n    pass\n\n\ndown_revision = revision = None\nrevision = 'a'\n"},
    ],
)
def test_the_chain_is_read_as_alembic_reads_it(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "versions").mkdir()
    for name, text in files.items():
        (tmp_path / "versions" / f"{name}.py").write_text(dedent(text))
    script = ScriptDirectory(str(tmp_path))
    known = {revision.revision for revision in script.walk_revisions()}
    assert read_chain(script) == Chain(frozenset(known), frozenset(script.get_heads()))


def set_options(ini: Path, **options: str) -> None:
    """Add *options* to the section of Alembic in *ini*."""
    lines = "".join(f"{name} = {value}\n" for name, value in options.items())
    text = ini.read_text(encoding="utf-8")
    ini.write_text(text.replace("[alembic]\n", f"[alembic]\n{lines}"), encoding="utf-8")


def test_other_folders_of_revisions_are_not_overlooked(shop: Shop) -> None:
    more = shop.package / "migrations" / "more"
    more.mkdir()
    shop.revision("a3", 'op.execute("SELECT 1")').rename(more / "a3.py")
    set_options(
        shop.package / "migrations" / "alembic.ini",
        path_separator="os",
        version_locations="%(here)s/versions:%(here)s/more",
    )
    assert "Applied 3 revisions: at a3" in shop.flask("db", "upgrade")
    assert ready(shop) == "200 ready"


def test_exit_codes_stand_in_every_help(shop: Shop) -> None:
    for command in ("upgrade", "downgrade", "history", "plan"):
        said = shop.flask("db", command, "--help")
        assert len(re.findall(r"^ +[0-7]  \w", said, re.MULTILINE)) == 8


def test_downgrade_outside_development_lists_what_would_be_lost(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t (n) VALUES (1), (NULL), (3)")
    said = shop.flask("db", "downgrade", "base", code=1)
    assert "lose  column t.n (2 values)" in said
    assert "lose  table t (3 rows)" in said
    assert "flask db downgrade --force base gives it" in said
    assert shop.at() == ["a2"]
    assert "Downgraded 1 revision" in shop.flask("db", "downgrade", "--force")
    assert shop.at() == ["a1"]
    assert "Downgraded 1 revision" in shop.flask(
        "db", "downgrade", "--force", MIGRATION_DEVELOPMENT=1
    )
    assert "Nothing to downgrade" in shop.flask("db", "downgrade")


#: Lets Alembic's own command line run an env.py that asks Flask for the application.
WITHOUT_FLASK = """
from flask import has_app_context

if not has_app_context():
    from shop import create_app

    create_app().app_context().push()
"""


def test_bare_alembic_exits_with_the_same_codes(shop: Shop) -> None:
    shutil.copy(shop.package / "migrations" / "alembic.ini", shop.root)
    set_options(
        shop.root / "alembic.ini",
        script_location="shop/migrations",
        prepend_sys_path=".",
        path_separator="os",
    )
    env = shop.package / "migrations" / "env.py"
    env.write_text(WITHOUT_FLASK + env.read_text(encoding="utf-8"), encoding="utf-8")
    run = "from alembic.config import main\nimport sys\n"
    run += "try:\n    main(['upgrade', 'head'])\nexcept SystemExit as end:\n    print(end.code)\n"
    with private(sa.make_url(shop.url)).connect() as connection, lock.hold(connection, 0, print):
        assert shop.python_run(run, MIGRATION_LOCK_WAIT=0).splitlines()[-1] == "5"
    shop.python_run(run)
    assert shop.at() == ["a2"]


def test_a_database_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder.sqlite").mkdir()
    shop = Shop(tmp_path / "shop", f"sqlite:///{tmp_path}/folder.sqlite")
    shop.revision("a1", "pass")
    said = shop.flask("db", "reset", code=1, MIGRATION_DEVELOPMENT=1)
    assert "folder.sqlite cannot be written (unable to open database file)" in said
    assert "Cannot connect to" in shop.flask("db", "upgrade", code=1)


def test_rebuilding_on_a_server_that_is_down_is_one_sentence(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", "postgresql+psycopg://a:secret@127.0.0.1:1/shop_dev")
    shop.revision("a1", "pass")
    said = shop.flask("db", "reset", code=1, MIGRATION_DEVELOPMENT=1)
    assert "exit 1: Cannot connect to postgresql+psycopg://a:***@127.0.0.1:1/shop_dev" in said
