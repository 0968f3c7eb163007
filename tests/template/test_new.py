"""`make new`: the questions, asked until each answer will do."""

import subprocess
import sys

from tests.support.bake import TEMPLATE, environment


def answer(folder, *lines):
    """Answer the questions with these lines, and with Enter where a line is empty."""
    home = environment(folder.parent / "home")
    return subprocess.run(
        [sys.executable, TEMPLATE / "scripts" / "new.py", folder],
        input="".join(f"{line}\n" for line in lines),
        env={**home, "PWD": str(folder.parent), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def test_a_refused_answer_is_asked_again_and_the_others_are_kept(tmp_path):
    folder = tmp_path / "here"
    (folder / "shop").mkdir(parents=True)
    names = ["Shop", "Shop!", "shop", "corner-shop", "json", "corner"]
    rest = ["A corner shop", "Ann", "ann", "ann@example.com", "", "2", ""]
    done = answer(folder, *names, *rest)
    assert done.returncode == 0, done.stdout + done.stderr
    for sentence in (
        "project_slug cannot be 'Shop!'",
        f"{folder / 'shop'} is there already: type another name.",
        "package_name cannot be 'json'",
        "author_email cannot be 'ann'",
    ):
        assert done.stdout.count(sentence) == 1, done.stdout
    assert 'email = "ann@example.com"' in (folder / "corner-shop" / "pyproject.toml").read_text()
    assert (folder / "corner-shop" / "corner" / "__init__.py").is_file()
    assert list((folder / "shop").iterdir()) == []
    assert "  cd here/corner-shop\n  make run\n" in done.stdout


def test_who_stops_answering_gets_nothing(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    done = answer(folder, "Shop", "Shop!")
    assert done.returncode == 1
    assert done.stderr == "\nNothing was written.\n"
    assert list(folder.iterdir()) == []
