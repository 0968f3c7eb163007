"""What the screen shows of a new migration."""

from pathlib import Path

import pytest

from alembic_lossless.autogenerate.report import Report
from alembic_lossless.cli import console


def test_a_terminal_is_as_wide_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "  ✓ the first words, and others that stand on a line of their own"
    console.lines([line])
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    console.lines([line, "a\n  b"])
    assert capsys.readouterr().out.splitlines() == [
        line,
        "  ✓ the first words, and others that",
        "    stand on a line of their own",
        "a",
        "  b",
    ]


def test_a_file_is_named_from_where_one_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [tmp_path / "versions" / "a.py", Path("/elsewhere/b.py")]
    assert Report(paths=paths).lines() == ["Wrote versions/a.py", "Wrote /elsewhere/b.py"]
