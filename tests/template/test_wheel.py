"""The library's wheel in a project's `vendor/`, beside the one that pip builds."""

import base64
import csv
import hashlib
import importlib.util
import io
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import BytesParser

import pytest
from packaging.requirements import Requirement

import library_wheel
from tests.support.bake import TEMPLATE


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel as `pip wheel` builds it from the repository."""
    folder = tmp_path_factory.mktemp("built")
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *isolation, TEMPLATE],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture
def written(tmp_path):
    """The wheel as a bake writes it."""
    return library_wheel.Wheel.read().write(tmp_path)


def members(path):
    """The content of a wheel by name, the version taken out of the folder of metadata's name."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        content = {name: archive.read(name) for name in archive.namelist()}
    return {
        f"dist-info/{name.partition('/')[2]}" if ".dist-info/" in name else name: data
        for name, data in content.items()
    }


def headers(metadata):
    """The metadata by field, requirements in one spelling."""
    message = BytesParser().parsebytes(metadata)
    fields = {name: sorted(message.get_all(name)) for name in message}
    fields["Requires-Dist"] = sorted(str(Requirement(text)) for text in fields["Requires-Dist"])
    return fields


def test_the_wheel_holds_the_files_that_pip_would_put_into_it(built, written):
    expected, actual = members(built), members(written)
    assert sorted(actual) == sorted(expected)
    differing = {name for name in expected if expected[name] != actual[name]}
    assert differing == {"dist-info/METADATA", "dist-info/WHEEL", "dist-info/RECORD"}


def test_its_metadata_is_what_pip_would_write_but_the_version_and_the_readme(built, written):
    expected, actual = (headers(members(path)["dist-info/METADATA"]) for path in (built, written))
    for name in ("Metadata-Version", "Version", "Description-Content-Type"):
        expected.pop(name)
        actual.pop(name, None)
    assert actual == expected


def test_its_record_lists_every_file_with_its_digest(written):
    with zipfile.ZipFile(written) as archive:
        (record,) = (name for name in archive.namelist() if name.endswith("/RECORD"))
        lines = list(csv.reader(io.StringIO(archive.read(record).decode())))
        for name, digest, size in lines[:-1]:
            data = archive.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
            assert digest == f"sha256={expected.decode()}"
            assert int(size) == len(data)
        assert [name for name, _, _ in lines] == archive.namelist()
        assert lines[-1] == [record, "", ""]


def test_the_same_sources_give_the_same_bytes(written, tmp_path):
    copy = copied(tmp_path)
    (copy / "src" / "alembic_lossless" / "__pycache__").mkdir(exist_ok=True)
    (copy / "src" / "alembic_lossless" / "__pycache__" / "flask.pyc").touch()
    again = library_wheel.Wheel.read(copy).write(tmp_path / "again")
    assert again.name == written.name
    assert again.read_bytes() == written.read_bytes()


@pytest.mark.parametrize("change", ["module", "dependency"])
def test_a_change_gives_another_version(change, written, tmp_path):
    copy = copied(tmp_path)
    if change == "module":
        (copy / "src" / "alembic_lossless" / "more.py").touch()
    else:
        text = (copy / "pyproject.toml").read_text(encoding="utf-8")
        assert "\ndependencies = [\n" in text
        text = text.replace("\ndependencies = [\n", '\ndependencies = [\n    "more",\n')
        (copy / "pyproject.toml").write_text(text, encoding="utf-8")
    assert library_wheel.Wheel.read(copy).file_name != written.name


def test_a_bake_puts_the_wheel_where_its_project_names_it(bakery, written):
    project = bakery()
    (wheel,) = (project / "vendor").iterdir()
    assert wheel.name == written.name
    assert wheel.read_bytes() == written.read_bytes()
    data = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    (needed,) = (text for text in data["project"]["dependencies"] if "lossless" in text)
    assert needed == f"alembic-lossless[flask] @ {{root:uri}}/vendor/{wheel.name}"
    assert data["tool"]["uv"]["sources"]["alembic-lossless"]["path"] == f"vendor/{wheel.name}"


def copied(folder):
    """Copy what the wheel is made from into *folder*."""
    copy = folder / "copy"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TEMPLATE / "src", copy / "src", ignore=ignored)
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copyfile(TEMPLATE / name, copy / name)
    return copy
