"""``check`` rehearses what no release holds yet, and only that."""

import subprocess
from pathlib import Path

import pytest

from alembic_lossless.rehearsal import rehearse as rehearsing
from alembic_lossless.rehearsal.rehearse import rehearse_unreleased
from alembic_lossless.rehearsal.report import Rehearsal
from alembic_lossless.scratch.sources import find_sources
from tests.library.autogenerate.project import Project

from .operations import DELETE, NOT_NULL, NULL
from .stage import DROPPED, TABLES, line_of


def unreleased(project: Project) -> list[Rehearsal]:
    sources, _ = find_sources(project.kinds, project.url)
    return rehearse_unreleased(project.script, project.metadata, sources[-1:])


def release(project: Project) -> None:
    """Commit all files, and tag the commit."""
    folder = project.folder
    git = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "1"], ["tag", "v1"]):
        subprocess.run([*git, *arguments], check=True)


def test_each_unreleased_revision_is_rehearsed_once_oldest_first(place: Project) -> None:
    place.by_hand(TABLES.strip(), DROPPED)
    release(place)
    path = place.by_hand(DELETE)
    place.by_hand(NOT_NULL, NULL)
    place.by_hand("pass")
    second, third, fourth = unreleased(place)
    assert [r.revision.revision for r in (second, third, fourth)] == ["hand2", "hand3", "hand4"]
    assert [failure.line for failure in second.failures] == [line_of(path)]
    assert [failure.step for failure in third.failures] == ["upgrade"]
    assert fourth.failures == []
    assert len(fourth.passed) == 1


def test_released_revisions_are_not_rehearsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path)
    project.by_hand(TABLES.strip(), DROPPED)
    project.by_hand(DELETE)
    release(project)
    monkeypatch.setattr(rehearsing, "_play", None)
    assert unreleased(project) == []


def test_without_a_tag_a_chain_that_never_had_a_checklist_is_not_rehearsed(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path)
    project.by_hand(TABLES.strip(), DROPPED)
    project.by_hand(DELETE)
    assert unreleased(project) == []
