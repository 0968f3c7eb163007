"""The dumps of servers, and the commands that play them back."""

import os
import re
import stat
import subprocess

import pytest
import sqlalchemy as sa

from alembic_lossless.backup import restore, store
from alembic_lossless.backup.store import BackupStore, postgresql_target
from alembic_lossless.errors import MigrationError
from tests.library.backup.backups import store_of
from tests.support.servers import newest_programs


def shell(commands, **environment):
    for command in commands:
        done = subprocess.run(
            command,
            shell=True,
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, (command, done.stderr)


def test_postgresql_is_dumped_and_comes_back(postgresql, library, run, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", newest_programs())
    secret = 'it\'s a "secret" $x % &'
    url = sa.make_url(postgresql("shop d'or", user="keeper", password=secret))
    library.upgrade(url, "1111")
    run(url, "INSERT INTO author VALUES (1, 'Lem')")
    folder = str(tmp_path)
    assert store.back_up(url, "", ["1111"]) is None
    path = store.back_up(url, folder, ["1111"])
    assert path.name.startswith("shop_d_or-")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    commands = restore.restore_commands(url, restore.choose(store_of(url, folder)))
    assert secret not in " ".join(commands)
    postgresql.server.run('ALTER ROLE "keeper" CREATEDB')
    shell(commands, PGPASSWORD=secret)
    restored = url.set(database="shop d'or_restored")
    assert run(restored, "SELECT name FROM author") == [("Lem",)]
    assert run(restored, "SELECT version_num FROM alembic_version") == [("1111",)]


def test_mariadb_is_dumped_and_comes_back(mariadb, library, run, tmp_path):
    secret = 'it\'s a "secret" $x % &'
    url = sa.make_url(mariadb("shop d'or", user="keeper", password=secret))
    library.upgrade(url, "1111")
    run(url, "INSERT INTO author VALUES (1, 'Stanis\u0142aw \U0001f680')")
    folder = str(tmp_path)
    store.back_up(url, folder, ["1111"])
    commands = restore.restore_commands(url, restore.choose(store_of(url, folder)))
    mariadb.server.run("GRANT ALL ON `shop d'or_restored`.* TO 'keeper'@'localhost'")
    shell([c.replace(" --password", "") for c in commands], MYSQL_PWD=secret)
    restored = url.set(database="shop d'or_restored")
    assert run(restored, "SELECT name FROM author") == [("Stanis\u0142aw \U0001f680",)]


def test_the_password_is_in_no_process_list(postgresql, library, tmp_path, monkeypatch):
    """What stands in for pg_dump writes down what it was called with."""
    secret = "never-to-be-seen"
    url = sa.make_url(postgresql(user="shy", password=secret))
    library.upgrade(url, "1111")
    stand_in = tmp_path / "bin" / "pg_dump"
    stand_in.parent.mkdir()
    stand_in.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\necho "$PGPASSWORD" >&2\nexit 1\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    (tmp_path / "dumps").mkdir()
    with pytest.raises(MigrationError, match="Nothing was changed"):
        store.back_up(url, str(tmp_path / "dumps"), ["1111"])
    said = (tmp_path / "said").read_text()
    assert "--dbname=" in said
    assert secret not in said
    assert list((tmp_path / "dumps").iterdir()) == []


def test_missing_program_and_refusal_are_reported(postgresql, library, tmp_path, monkeypatch):
    url = sa.make_url(postgresql())
    library.upgrade(url, "1111")
    folder = str(tmp_path)
    monkeypatch.setenv("PATH", newest_programs())
    wrong = url.set(database="no such")
    with pytest.raises(MigrationError, match=r'pg_dump: .*"no such" does not exist.*Nothing was'):
        BackupStore.of(wrong, folder).add(["1111"])
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MigrationError, match=r"pg_dump is not installed here.*Nothing was changed"):
        store.back_up(url, folder, ["1111"])


@pytest.mark.parametrize("characters", ["utf8mb4 COLLATE utf8mb4_bin", "latin2"])
def test_mariadb_comes_back_with_its_characters(mariadb, run, tmp_path, characters):
    """The server's own default is another, and what is created later takes the database's."""
    url = sa.make_url(mariadb())
    run(url, f"ALTER DATABASE {url.database} CHARACTER SET {characters}")
    run(
        url,
        "CREATE TABLE author (name VARCHAR(50))",
        "INSERT INTO author VALUES ('Stanis\u0142aw')",
    )
    store.back_up(url, str(tmp_path), ["1111"])
    shell(restore.restore_commands(url, restore.choose(store_of(url, str(tmp_path)))))
    restored = url.set(database=f"{url.database}_restored")
    asked = "SELECT @@character_set_database, @@collation_database"
    assert run(restored, asked) == run(url, asked)
    assert run(restored, "SELECT name FROM author") == [("Stanis\u0142aw",)]


@pytest.mark.parametrize(
    "options",
    [
        "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
        "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'",
    ],
)
def test_postgresql_comes_back_with_its_encoding_and_locale(
    postgresql, run, tmp_path, monkeypatch, options
):
    monkeypatch.setenv("PATH", newest_programs())
    url = sa.make_url(postgresql())
    postgresql.server.run(
        f"DROP DATABASE {url.database}",
        f"CREATE DATABASE {url.database} TEMPLATE template0 {options}",
    )
    run(url, "CREATE TABLE author (name TEXT)", "INSERT INTO author VALUES ('Stanis')")
    store.back_up(url, str(tmp_path), ["1111"])
    shell(restore.restore_commands(url, restore.choose(store_of(url, str(tmp_path)))))
    restored = url.set(database=f"{url.database}_restored")
    asked = (
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider"
        " FROM pg_database WHERE datname = current_database()"
    )
    assert run(restored, asked) == run(url, asked)
    assert run(restored, "SELECT name FROM author") == [("Stanis",)]


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_dump_is_of_the_database_that_the_url_names_whatever_its_driver(driver):
    url = sa.make_url(f"postgresql+{driver}://ann:it%27s@db.example.org:5433/my shop")
    target, secret = postgresql_target(url)
    assert set(re.findall(r"(\w+)=", target)) >= {"host", "port", "user", "dbname"}
    assert "dbname='my shop'" in target
    assert "host=db.example.org" in target
    assert "password" not in target
    assert secret == {"PGPASSWORD": "it's"}
