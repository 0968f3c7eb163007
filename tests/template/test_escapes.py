"""Each escape, read back by a reader of that kind of file."""

import ast
import re
import subprocess
import sys
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from markdown_it import MarkdownIt

import local_extensions as escape
from tests.support.bake import TEMPLATE
from tests.template.answers import TEXTS

# What check_text lets through.
texts = st.text(
    st.characters(exclude_categories=tuple(escape.UNPRINTABLE), exclude_characters=escape.TURNING),
    min_size=1,
).filter(lambda text: text.strip() and not re.search(r"\{[{%#]", text)) | st.sampled_from(
    sorted(TEXTS.values())
)


@given(texts)
def test_what_is_hostile_is_text_all_the_same(text):
    assert escape.check_text(text, "description", 10_000) == text


@given(texts)
def test_python_reads_the_string(text):
    assert ast.literal_eval(escape.py_string(text)) == escape.line(text)


@given(texts)
def test_toml_reads_the_string(text):
    assert tomllib.loads(f"a = {escape.toml_string(text)}") == {"a": escape.line(text)}


@given(texts)
def test_python_passes_over_the_comment(text):
    source = f"# {escape.comment(text)}\n1\n"
    assert ast.dump(ast.parse(source.encode())) == ast.dump(ast.parse("1"))


def shown(tokens):
    """The text of a rendered line of Markdown, nothing but text being in it."""
    (before, inline, after) = tokens
    assert (before.type, inline.type, after.type) == (
        "paragraph_open",
        "inline",
        "paragraph_close",
    )
    assert {child.type for child in inline.children} <= {"text"}
    return "".join(child.content for child in inline.children)


@given(texts)
def test_markdown_shows_the_text(text):
    tokens = (
        MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(escape.markdown(text))
    )
    assert shown(tokens) == escape.line(text)


@given(texts)
def test_markdown_shows_the_text_in_a_heading(text):
    before, inline, after = MarkdownIt("commonmark").parse(f"# {escape.markdown(text)} X")
    assert before.tag == "h1"
    assert shown([_paragraph("paragraph_open"), inline, _paragraph("paragraph_close")]) == (
        f"{escape.line(text)} X"
    )
    assert after.tag == "h1"


class _paragraph:
    def __init__(self, type):
        self.type = type


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_ruff_would_choose_the_same_quotes(text, tmp_path):
    module = tmp_path / "m.py"
    module.write_text(f"NAME = {escape.py_string(text)}\n", encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "format",
            "--isolated",
            "--diff",
            "--line-length=300",
            module,
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("template", "address"),
    [
        ("gh:ann/tpl", "https://github.com/ann/tpl#documentation"),
        (
            "https://example.com/ann/tpl.git",
            "https://example.com/ann/tpl#documentation",
        ),
        (
            "git+https://example.com/ann/tpl",
            "https://example.com/ann/tpl#documentation",
        ),
        ("https://ann:secret@example.com/ann/tpl.git", ""),
        ("git@example.com:ann/tpl.git", ""),
        ("/home/ann/tpl", ""),
        ("", ""),
    ],
)
def test_the_readme_links_to_the_guides_where_everybody_can_read_it(template, address):
    assert escape.guides(template) == address
    text = (TEMPLATE / "{{cookiecutter.project_slug}}" / "README.md").read_text(encoding="utf-8")
    environment = Environment(extensions=[escape.Answers], keep_trailing_newline=True)
    answers = {"project_name": "A", "description": "B", "package_name": "a", "project_slug": "a"}
    readme = environment.from_string(text).render(cookiecutter={**answers, "_template": template})
    assert ("The guides for" in readme) == bool(address)
    assert f"({address})" in readme or not address
    assert "\n\n\n" not in readme
    assert "secret" not in readme
