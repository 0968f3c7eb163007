"""The questions: names made from names, and answers that cannot work."""

import keyword
import re
import subprocess
import sys

import pytest
from cookiecutter.exceptions import FailedHookException
from hypothesis import given
from hypothesis import strategies as st

import local_extensions
from tests.support.bake import TEMPLATE, bake, environment, type_cookiecutter
from tests.template.answers import CHOICES, DERIVED, QUESTIONS, REFUSED


@pytest.mark.parametrize(("name", "derived"), DERIVED.items())
def test_names_are_made_from_the_project_s_name(name, derived):
    slug = local_extensions.slug(name)
    assert (slug, local_extensions.package(slug)) == derived


@given(st.text())
def test_every_text_makes_names_that_work(name):
    slug = local_extensions.slug(name)
    assert local_extensions.slug_fault(slug) is None
    package = local_extensions.package(name)
    assert local_extensions.package_fault(package) is None
    assert package.isidentifier()
    assert not keyword.iskeyword(package)


@pytest.mark.parametrize(("question", "answer", "why", "instead"), REFUSED)
def test_an_answer_that_cannot_work_is_refused_before_a_folder_exists(
    tmp_path, question, answer, why, instead
):
    folder = tmp_path / "inner"
    with pytest.raises(FailedHookException) as refused:
        bake(folder, **{question: answer})
    sentence = str(refused.value)
    assert sentence.startswith(question)
    assert why in sentence
    assert re.search(rf": type {re.escape(instead)}\b", sentence)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert list(folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("question", "answer"),
    [("package_name", "class"), ("project_slug", "../shop"), ("author_email", "Ann <a@b.c>")],
)
def test_on_the_command_line_a_refusal_is_one_sentence(tmp_path, question, answer):
    done = type_cookiecutter(tmp_path / "inner", f"{question}={answer}")
    assert done.returncode == 1
    assert re.fullmatch(rf"{question} cannot be [^\n]*\.\n", done.stdout + done.stderr)
    assert list((tmp_path / "inner").iterdir()) == []
    assert list(tmp_path.iterdir()) == [tmp_path / "inner"]


def test_a_folder_that_is_there_already_is_left_alone(tmp_path):
    (tmp_path / "my-project").mkdir()
    done = type_cookiecutter(tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r'Error: "my-project" directory already exists\n', done.stdout)
    assert list((tmp_path / "my-project").iterdir()) == []


@pytest.mark.parametrize("question", CHOICES)
def test_a_choice_that_there_is_not_makes_nothing(tmp_path, question):
    # cookiecutter itself compares, before it has read a line of the template.
    done = type_cookiecutter(tmp_path, f"{question}=oracle")
    assert done.returncode == 1
    assert f"oracle provided for choice variable {question}" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_every_question_can_be_read():
    asked = [key for key in QUESTIONS if not key.startswith("_")]
    assert list(QUESTIONS["__prompts__"]) == asked
    for key, choices in CHOICES.items():
        assert set(QUESTIONS["__prompts__"][key]) <= {"__prompt__", *choices}


def test_enter_is_a_good_answer_to_every_question(tmp_path):
    done = type_cookiecutter(tmp_path, typed="\n" * len(QUESTIONS))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "my-project" / "my_project" / "__init__.py").is_file()


def test_a_name_that_is_typed_badly_is_refused_at_once(tmp_path):
    done = type_cookiecutter(tmp_path, typed="Shop\n../shop\n")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].endswith(": type shop instead.")
    assert "3/9" not in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mark", ["{{", "{%", "{#"])
def test_an_answer_is_no_template(tmp_path, mark):
    done = type_cookiecutter(tmp_path, typed=f"Shop {mark} 7 }}}}\n")
    assert done.returncode == 1
    refusal = f"project_name has {mark} in it: type it with a space in between."
    assert done.stdout.splitlines()[-1].endswith(refusal)
    assert list(tmp_path.iterdir()) == []


def test_replayed_answers_are_checked_again(tmp_path):
    home = tmp_path / "home"
    assert type_cookiecutter(tmp_path / "one", home=home).returncode == 0
    (replay,) = home.rglob("*_replay/*.json")
    text = replay.read_text(encoding="utf-8").replace('"my_project"', '"class"')
    replay.write_text(text, encoding="utf-8")
    (tmp_path / "two").mkdir()
    # In the first folder stands the project of the first time.
    for folder, said in (("one", "my-project"), ("two", "package_name cannot be 'class'")):
        done = subprocess.run(
            [sys.executable, "-m", "cookiecutter", "--replay", str(TEMPLATE)],
            cwd=tmp_path / folder,
            env=environment(home),
            input="",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert said in done.stdout
    assert list((tmp_path / "two").iterdir()) == []
