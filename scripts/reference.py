"""Write the pages of docs/reference that are made from the library: rules, settings, commands.

    python scripts/reference.py

A test compares the pages with what this writes, and plays the examples of the rules.
"""

import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError
from sqlalchemy.dialects import mysql, postgresql, sqlite

from alembic_lossless import settings
from alembic_lossless.checklist import handwritten, review
from alembic_lossless.checklist.finding import NAMES, Finding, Operation, Verdict
from alembic_lossless.checklist.rules import EVERYWHERE, RULES, Rule, dedented
from alembic_lossless.cli import commands
from alembic_lossless.run.expand_contract import phase_of
from alembic_lossless.run.recorder import followed

TEMPLATE = Path(__file__).resolve().parent.parent
FOLDER = TEMPLATE / "docs" / "reference"

NEXT_REVISION = re.compile(r"(?m)^# The next revision.*\n")

DIALECTS: Mapping[str, Any] = {
    "sqlite": sqlite.dialect,
    "postgresql": postgresql.dialect,
    "mysql": mysql.dialect,
}

#: The examples are about a database whose UNIQUE on an e-mail address was made without a name.
UNNAMED = {("account", "uq_account_email")}

VERDICTS = {
    Verdict.KEEP: "`migrate` writes it as it is, with this finding in the file.",
    Verdict.REWRITE: "`migrate` writes the good form.",
    Verdict.SPLIT: "`migrate` writes the good form, in revisions of its own.",
    Verdict.STRIP: "`migrate` writes it for the other databases alone.",
    Verdict.ASK: "`migrate` asks; `check` refuses a file without an answer.",
    Verdict.STOP: "`migrate` and `check` refuse it.",
}

GENERATED = "<!-- Written by scripts/reference.py. -->\n\n"


def rules_page() -> str:
    """Return the page of the checklist's rules: each as Bad and Good."""
    examples: dict[str, list[Example]] = {"model-import": [_model_import()]}
    for rule in RULES:
        if rule.bad:
            examples.setdefault(rule.id, []).append(_of_rule(rule))
    rows = [
        f"| [{id}](#{id}) | {example.databases} | {example.finding.verdict.name.lower()} |"
        for id, (example, *_) in sorted(examples.items())
    ]
    sections = [
        "\n\n".join([f"## {id}", *map(str, several)]) for id, several in sorted(examples.items())
    ]
    return "\n".join([RULES_INTRODUCTION, *rows, "", "\n\n".join(sections)])


RULES_INTRODUCTION = (
    GENERATED
    + """\
# Rules of the checklist

`migrate` reviews what it writes, and `check` what a person wrote. A table that the same revision
creates has no rows and no readers yet, so the rules about rows and locks leave it alone. Each
finding is in the migration's file, or `check` and `plan` print it. MySQL stands for MariaDB too.

| verdict | what is done |
|---|---|
| keep | the operation stays as it is; the finding is in the file |
| rewrite | `migrate` writes the good form |
| split | `migrate` writes the good form, in revisions of its own |
| strip | `migrate` writes it for the other databases alone |
| ask | it needs a value, or consent with a reason |
| stop | it is refused |

Consent is for one object and is written in the file, where `check` and the rehearsal read it:

```python
accepted = {"drop-column account.nickname": "no release reads it since 1.4"}
```

To switch a rule off for a project, give the reason in `pyproject.toml`:

```toml
[tool.migrations.off]
add-index = "our tables are small"
```

The examples are the body of `upgrade()`. A line "The next revision" begins another file.

| rule | databases | verdict |
|---|---|---|"""
)


@dataclass(frozen=True)
class Example:
    """What is wrong and what is right, and what the checklist says of what is wrong."""

    databases: str
    bad: str
    good: str
    finding: Finding
    #: The one database that the verdict is about.
    where: str = ""

    def __str__(self) -> str:
        finding, where = self.finding, f"On {self.where}, " if self.where else ""
        words = f"{finding.what} **{finding.cost}** {finding.remedy}"
        quoted = textwrap.fill(
            words, 98, initial_indent="> ", subsequent_indent="> ", break_on_hyphens=False
        )
        return "\n\n".join(
            [
                f"{self.databases}. {where}{VERDICTS[finding.verdict]}",
                "Bad:",
                f"```python\n{self.bad}\n```",
                quoted,
                "Good:",
                f"```python\n{self.good}\n```",
            ]
        )


def _of_rule(rule: Rule) -> Example:
    database = shown_database(rule)
    findings = review_example(rule.bad, database)
    finding = next(finding for finding in findings if is_of(finding, rule))
    differs = rule.verdict is Verdict.KEEP and finding.verdict is not Verdict.KEEP
    where = NAMES[database] if differs else ""
    return Example(_names(rule.databases), rule.bad, rule.good, finding, where)


def _model_import() -> Example:
    bad, good = map(dedented, handwritten.MODEL_IMPORT)
    (finding,) = model_imports(bad)
    return Example(_names(EVERYWHERE), bad, good, finding)


def _names(databases: Sequence[str]) -> str:
    if list(databases) == EVERYWHERE:
        return "Every database"
    return ", ".join(NAMES[kind] for kind in databases)


def shown_database(rule: Rule) -> str:
    """Return the kind of database that the example of *rule* is reviewed on."""
    return "postgresql" if "postgresql" in rule.databases else rule.databases[0]


def is_of(finding: Finding, rule: Rule) -> bool:
    """Tell whether *finding* is one of *rule*; several rules may have one id."""
    return finding.rule == rule.id and finding.message == rule.message


def review_example(code: str, database: str) -> list[Finding]:
    """Return what the checklist says of an example on a kind of *database*.

    :raises Exception: what the example raises.
    """
    findings: list[Finding] = []
    before: list[Operation] = []
    consents: dict[str, str] = {}
    for part in NEXT_REVISION.split(code):
        module = _module(part)
        revision: Any = SimpleNamespace(revision="example", module=module)
        ((operations, error),) = followed([revision], DIALECTS[database]())
        # A batch on SQLite reads its table, which is not there, when its operations are noted.
        if error is not None and not isinstance(error, CommandError):
            raise error
        operations = [Operation(operation) for operation in operations]
        consents |= getattr(module, "accepted", {})
        findings += review.review_written(
            operations,
            before,
            database,
            sa.MetaData(),
            unnamed=UNNAMED,
            types=set(),
            has_phase=bool(phase_of(revision)),
        )
        before += operations
    return [replace(finding, accepted=consents.get(finding.key)) for finding in findings]


def _module(code: str) -> ModuleType:
    """Return a revision whose file, or whose upgrade, is *code*."""
    if "def upgrade" not in code:
        code = f"def upgrade():\n{textwrap.indent(code, '    ')}"
    module = ModuleType("example")
    module.__dict__.update(op=op, sa=sa)
    exec(code, module.__dict__)
    return module


def model_imports(code: str) -> list[Finding]:
    """Return what the checklist says of the models that a file imports."""
    models = ModuleType("shop.models")
    columns = sa.Column("id", sa.Integer, primary_key=True), sa.Column("country", sa.String(2))
    models.__dict__["Account"] = sa.Table("account", sa.MetaData(), *columns)
    sys.modules |= {"shop": ModuleType("shop"), models.__name__: models}
    try:
        with TemporaryDirectory() as folder:
            file = Path(folder, "example.py")
            file.write_text(code, encoding="utf-8")
            revision: Any = SimpleNamespace(path=str(file))
            return list(handwritten.model_imports(revision))
    finally:
        del sys.modules["shop"], sys.modules[models.__name__]


def settings_page() -> str:
    """Return the page of the settings."""
    source = Path(settings.__file__).read_text(encoding="utf-8")
    written = re.findall(r"((?:    #: .*\n)+)    (\w+):", source.partition("class Settings")[2])
    meanings = {name: " ".join(re.findall(r"#: (.*)", text)) for text, name in written}
    rows = []
    for field in fields(settings.Settings):
        name, *others = (f"`{name}`" for name in settings.names(field.name))
        also = f", or {others[0]}" if others else ""
        rows.append(f"| {name}{also} | {_default(field.default)} | {meanings[field.name]} |")
    table = ["| setting | default | meaning |", "|---|---|---|", *rows]
    return GENERATED + SETTINGS_PAGE.format(table="\n".join(table))


def _default(value: object) -> str:
    return f"`{value!r}`" if value not in ("", (), None) else ""


SETTINGS_PAGE = """\
# Settings

{table}

Each is read, the weakest first, from

1. `[tool.alembic-lossless]` in the nearest `pyproject.toml` above the migrations, without
   `MIGRATION_` and in small letters: `backup = "/var/backups/shop"`;
2. Flask's configuration (`app.config`);
3. the environment.

`MIGRATION_DEVELOPMENT` is read from one place alone: Flask's configuration, or, without Flask, the
environment. Where nobody has set it, the database counts as production.

Passwords: the migrating role's is taken from its URL, else from `MIGRATION_PASSWORD`, else from
where the server's own tools take it (peer authentication, `.pgpass`, `PGPASSWORD`). A terminal is
asked only when the server refused the attempt without one. No log, message, process list or file of
ours holds it. PyMySQL sends Latin-1: keep passwords for MySQL to ASCII.

## Limits

- A statement that gets no lock within `MIGRATION_LOCK_TIMEOUT` gives way: its transaction is rolled
  back and tried again, after longer and longer pauses, until `MIGRATION_LOCK_WAIT` is over. The
  session that holds the lock is named: on PostgreSQL that very session; on MySQL and MariaDB, which
  do not tell without the PROCESS privilege, the oldest open transaction.
- MySQL and MariaDB count locks in whole seconds. MySQL limits the time of no statement but SELECT.
- On SQLite only `MIGRATION_LOCK_WAIT` applies, because nobody queues behind a waiting writer. After
  a second, the process that uses the file is named (on Linux, from `/proc/locks`).

## Rules

`[tool.migrations.off]` in `pyproject.toml` switches [rules](rules.md) off, each with its reason.
"""


def commands_page() -> str:
    """Return the page of the commands, with their Make targets."""
    targets = _targets()
    sections = []
    for name, command in sorted(commands.load().items()):
        context = click.Context(command)
        usage = command.collect_usage_pieces(context)
        arguments = "".join(f" [{piece}]" for piece in usage[1:] if "OPTIONS" not in piece)
        arguments = arguments.replace("[[", "[").replace("]]", "]")
        target = f"`make {targets[name]}`, " if name in targets else ""
        sections += [f"## {name}", "", f"{target}`flask db {name}{arguments}`", "", command.help]
        options = [
            option.get_help_record(context)
            for option in command.params
            if isinstance(option, click.Option) and option.name not in ("directory", "x_arg")
        ]
        rows = [f"| `{flag}` | {text} |" for flag, text in filter(None, options)]
        sections += ["", "| option | |", "|---|---|", *rows, ""] if rows else [""]
    return GENERATED + COMMANDS_INTRODUCTION + "\n".join(map(str, sections))


def _targets() -> dict[str, str]:
    """Return the Make targets of a generated project by their commands, with their variables."""
    makefile = (TEMPLATE / "{{cookiecutter.project_slug}}" / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(r"(?m)^(\w+): install ## (.*)\n\t@\$\(FLASK\) db (\w+)", makefile)
    targets = {}
    for target, text, command in rules:
        required, _, optional = text.partition(" [")
        variables = re.findall(VARIABLE, required)
        variables += [f"[{variable}]" for variable in re.findall(VARIABLE, optional.strip("]"))]
        targets[command] = " ".join([target, *variables])
    return targets


VARIABLE = r"\w+=(?:\"[^\"]*\"|\S*)"

COMMANDS_INTRODUCTION = """\
# Commands

A project with Flask has them under `flask db`, one without under `alembic-lossless`; the project
that the template writes has Make targets for most. An option `--rename X` is `rename=X` behind
make, a flag `--force` is `force=yes`. Commands that are not listed (`init`, `current`, `heads`, …)
are those of Flask-Migrate and Alembic.

Every command takes `-d`, `--directory` (the folder of the migrations) and `-x`, `--x-arg` (an
argument for `env.py`), and ends with one of the [exit codes](exit-codes.md).

"""

PAGES: Mapping[str, Callable[[], str]] = {
    "rules.md": rules_page,
    "settings.md": settings_page,
    "commands.md": commands_page,
}


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page().rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
