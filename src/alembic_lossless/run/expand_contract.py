"""Which revisions take something away that the release before may still use.

Told from the text of their files, which are neither run nor imported: a column or a table that is
dropped or renamed, by an operation or in plain SQL. What the same revision made itself does not
count. Such a revision is a contract; ``flask db apply --phase expand`` stops before the first.
"""

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from alembic.script import ScriptDirectory

from . import git, status
from .chain import source_of, version_folders

#: What plain SQL takes away; after ALTER TABLE … DROP, any other word names a column.
_PLAIN = re.compile(
    r"DROP TABLE\b|ALTER TABLE\b.*\b(?:DROP COLUMN\b|RENAME (?:TO|COLUMN)\b"
    r"|DROP (?!CONSTRAINT|DEFAULT|NOT|INDEX|KEY|FOREIGN|PRIMARY|CHECK|IDENTITY|EXPRESSION)\w)",
    re.IGNORECASE,
)


#: Operations that take away what newer code does not know, or change nothing.
_HARMLESS = {
    *("drop_column", "drop_table", "drop_index", "drop_constraint", "batch_alter_table"),
    *("f", "get_context"),
}


def takes_away(source: str) -> list[str]:
    """Name what the upgrade in the *source* of a migration drops or renames."""
    return [line for reader in _read(source) for line in _taken_away(reader.did)]


def _taken_away(did: Sequence[tuple[str, str]]) -> list[str]:
    made = {what for word, what in did if word == "make"}
    return [
        f"{word} {what}"
        for word, what in did
        if word != "make" and what not in made and what.partition(".")[0] not in made
    ]


def _read(source: str) -> "list[_Reader]":
    """Read the upgrade of a migration; of one for several databases, that of each."""
    functions = {
        node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)
    }
    names = ["upgrade"]
    if "upgrade" in functions and functions["upgrade"].args.args:
        names += [name for name in functions if name.startswith("upgrade_")]
    return [_read_function(name, functions) for name in names]


def _read_function(name: str, functions: Mapping[str, ast.FunctionDef]) -> "_Reader":
    found = _Reader()
    todo, seen = [name], set()
    while todo:
        name = todo.pop()
        if name in functions and name not in seen:
            seen.add(name)
            found.visit(functions[name])
            todo += found.called
    return found


class _Reader(ast.NodeVisitor):
    """Notes what is made, dropped and renamed, and which functions are called."""

    def __init__(self) -> None:
        self.did: list[tuple[str, str]] = []
        self.called: list[str] = []
        #: Whether there is nothing that newer code could need.
        self.only_drops = True
        self._batches: dict[str, str] = {}

    def visit_With(self, node: ast.With) -> None:
        for item in node.items:
            call, name = item.context_expr, item.optional_vars
            if isinstance(call, ast.Call) and isinstance(name, ast.Name):
                self._batches[name.id] = _argument(call, 0, "table_name")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Name):
            self.called.append(function.id)
        elif isinstance(function, ast.Attribute):
            of = function.value.id if isinstance(function.value, ast.Name) else ""
            if of == "op" or of in self._batches:
                self._operation(function.attr, node, self._batches.get(of))
        self.generic_visit(node)

    def _operation(self, name: str, call: ast.Call, table: str | None) -> None:
        if name not in _HARMLESS:
            self.only_drops = False
        first = 1 if table is None else 0
        table = _argument(call, 0, "table_name") if table is None else table
        if name in ("create_table", "drop_table"):
            self._note("make" if name == "create_table" else "drop", table)
        elif name == "rename_table":
            self._note("rename", _argument(call, 0, "old_table_name"))
        elif name == "drop_column":
            self._note("drop", f"{table}.{_argument(call, first, 'column_name')}")
        elif name == "alter_column" and _keyword(call, "new_column_name") is not None:
            self._note("rename", f"{table}.{_argument(call, first, 'column_name')}")
        elif name == "add_column" and len(call.args) > first:
            column = call.args[first]
            if isinstance(column, ast.Call):
                self._note("make", f"{table}.{_argument(column, 0, 'name')}")
        elif name == "execute":
            for node in ast.walk(call):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    for statement in node.value.split(";"):
                        if _PLAIN.match(words := " ".join(statement.split())):
                            self._note("run", words)

    def _note(self, word: str, what: str) -> None:
        self.did.append((word, what))


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _argument(call: ast.Call, place: int, name: str) -> str:
    node = call.args[place] if len(call.args) > place else _keyword(call, name)
    return str(node.value) if isinstance(node, ast.Constant) else "?"


def of(script: ScriptDirectory, revision: str) -> list[str]:
    """Name what *revision* takes away; nothing where it is no contract."""
    found = script.get_revision(revision)
    return takes_away(source_of(found.path)) if found else []


def expanding(script: ScriptDirectory, at: Iterable[str]) -> tuple[list[str], list[str]]:
    """Part what is pending: what may go first; and the contracts, with all that is behind them."""
    first: list[str] = []
    waiting: list[str] = []
    for revision in status.pending(script, at):
        waits = of(script, revision) or _before(script, revision) & set(waiting)
        (waiting if waits else first).append(revision)
    return first, waiting


def tips(script: ScriptDirectory, revisions: Sequence[str]) -> list[str]:
    """Return those of *revisions* that none of them is behind: upgrading to these does them all."""
    inner = set().union(*(_before(script, revision) for revision in revisions))
    return [revision for revision in revisions if revision not in inner]


def _before(script: ScriptDirectory, revision: str) -> set[str]:
    found = script.get_revision(revision)
    return set(found._all_down_revisions) if found else set()


def only_drops_pending(script: ScriptDirectory, at: Iterable[str]) -> bool:
    """Tell whether the database has all that the code needs, and more that it no longer needs."""
    pending = [script.get_revision(revision) for revision in status.pending(script, at)]
    return all(
        found is not None and all(reader.only_drops for reader in _read(source_of(found.path)))
        for found in pending
    )


def stacked_on(script: ScriptDirectory, revision: str) -> list[str]:
    """Return the contracts behind which *revision*, which is none, would wait.

    Those that the newest tag of git holds are released; without one, those that the main branch of
    the remote holds. Where there is neither, there is no release that anything could wait for.
    """
    in_release = released(script)
    if in_release is None:
        main = (_held(script, f"origin/{name}") for name in ("HEAD", "main", "master"))
        in_release = next((names for names in main if names), None)
    if in_release is None or of(script, revision):
        return []
    return [
        one.revision
        for one in script.iterate_revisions(revision, "base")
        if Path(one.path).name not in in_release and of(script, one.revision)
    ]


def released(script: ScriptDirectory) -> set[str] | None:
    """Name the files of a chain that the newest tag of git holds; None without git or a tag."""
    tag = git.ask(version_folders(script)[0], "describe", "--tags", "--abbrev=0")
    return _held(script, tag[0]) if tag else None


def _held(script: ScriptDirectory, revision: str) -> set[str]:
    """Name the files of a chain that a revision of git holds."""
    ask = "ls-tree", "-r", "--name-only", revision, "./"
    folders = version_folders(script)
    return {Path(name).name for folder in folders for name in git.ask(folder, *ask)}
