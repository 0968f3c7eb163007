"""Commands as a person can paste them, in the words of the command line that they use.

Messages say what to type next. Whoever typed ``make migrate`` is told ``make …``, in a Flask
project ``flask db …``, and ``alembic-lossless …`` otherwise. Where make was called with a variable
that chooses the database, ``SETTINGS=production.py make``, the hint has it too.
"""

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MAKE, FLASK, ALEMBIC = "make", "flask db", "alembic-lossless"

#: Set by a Makefile whose targets call the commands: ``make``, or ``NAME=value make``.
VARIABLE = "ALEMBIC_LOSSLESS_COMMAND"

_command_line: ContextVar[str] = ContextVar("command_line", default=ALEMBIC)

#: What Make targets are called that differ from the verb.
_TARGETS = {"migrate": "newmigration", "upgrade": "migrate", "downgrade": "rollback", "reset": "db"}

#: Verbs without a Make target.
_WITHOUT_TARGET = {"merge", "baseline"}

#: The variable of a Make target that holds the revision.
_REVISIONS = {"downgrade": "to"}


@contextmanager
def typed_as(command_line: str) -> Iterator[None]:
    """Word the hints of the body for *command_line*; for make where a Makefile says so."""
    before, _, last = os.environ.get(VARIABLE, "").rpartition(" ")
    if last == MAKE:
        name, _, value = before.partition("=")
        command_line = f"{name}={shlex.quote(value)} {MAKE}" if before else MAKE
    token = _command_line.set(command_line)
    try:
        yield
    finally:
        _command_line.reset(token)


def command(verb: str, revision: str = "", **options: str | bool) -> str:
    """Return a command that can be pasted.

    :param verb: Flask-Migrate's, such as ``upgrade``.
    :param revision: the revision that it is about.
    :param options: by their long names; True for one without a value.
    """
    command_line = _command_line.get()
    if is_make() and verb in _WITHOUT_TARGET:
        command_line = f"{command_line.removesuffix(MAKE)}.venv/bin/{FLASK}"
    elif is_make():
        words = [command_line, _TARGETS.get(verb, verb)]
        if revision:
            words.append(f"{_REVISIONS.get(verb, 'r')}={revision}")
        words += [
            f"{'m' if name == 'message' else name}={'yes' if value is True else _quoted(value)}"
            for name, value in options.items()
            if value
        ]
        return " ".join(words)
    words = [command_line, verb]
    for name, value in options.items():
        flag = "-m" if name == "message" else f"--{name}"
        if value:
            words += [flag] if value is True else [flag, _quoted(value)]
    return " ".join([*words, revision] if revision else words)


def option(name: str, value: str) -> str:
    """Return one option of a command, with its value."""
    word = f"{name}=" if is_make() else f"--{name} "
    return word + json_quoted(value)


def development_setting() -> str:
    """Return what says that a database is one for development, where it is read from."""
    if is_make():
        return "MIGRATION_DEVELOPMENT = True in the settings"
    if _command_line.get() == FLASK:
        return 'app.config["MIGRATION_DEVELOPMENT"] = True'
    return "MIGRATION_DEVELOPMENT=true in the environment"


def is_make() -> bool:
    """Tell whether commands are targets of make, whose variables are few and cannot be repeated."""
    return _command_line.get().split()[-1] == MAKE


def _quoted(value: str | bool) -> str:
    text = str(value)
    return text if text.replace("_", "").replace("-", "").isalnum() else json_quoted(text)


def json_quoted(text: str) -> str:
    """Return *text* in double quotes, as a shell and make take it."""
    return json.dumps(text, ensure_ascii=False)
