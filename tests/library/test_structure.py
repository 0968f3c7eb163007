"""The library's rooms import downwards, and its names are words that readers of Alembic know."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import alembic_lossless

PACKAGE = Path(alembic_lossless.__file__).parent

#: Rooms from the top down: each imports from the levels below its own.
LEVELS = [
    {"flask", "host", "cli"},
    {"autogenerate", "rehearsal", "adopt", "transfer", "plan", "reset"},
    {"checklist"},
    {"scratch"},
    {"run", "backup"},
    {"schema", "sqlite"},
    {"statements"},
    {"settings", "errors", "hints", "naming", "quoting", "compat", "tokens"},
]

#: Imports that still go upwards or close a circle: this list only ever becomes shorter.
EXCEPTIONS: set[tuple[str, str]] = set()

WORDS = {"migrator", "author", "goes", "said", "mend", "mender", "worded", "blame", "excused"}

#: Names with such a word: this list only ever becomes shorter.
OLD_NAMES: set[str] = set()


def modules() -> Iterator[tuple[str, bool, ast.Module]]:
    """Each module: its full name, whether it is a package, and its syntax tree."""
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = [PACKAGE.name, *file.relative_to(PACKAGE).with_suffix("").parts]
        is_package = parts[-1] == "__init__"
        yield ".".join(parts[:-1] if is_package else parts), is_package, ast.parse(file.read_text())


def imports(name: str, is_package: bool, tree: ast.Module) -> Iterator[str]:
    """The full names that a module imports, whether at its top, in a function or for types."""
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def room(name: str) -> str | None:
    """The room of a full name; None outside the library, and for the library's own names."""
    package, _, inside = name.partition(".")
    first = inside.partition(".")[0]
    return first if package == PACKAGE.name and any(first in level for level in LEVELS) else None


def room_imports() -> set[tuple[str, str]]:
    """Pairs of rooms of which the first imports the second."""
    return {
        (importing, imported)
        for name, is_package, tree in modules()
        for target in imports(name, is_package, tree)
        if (importing := room(name)) and (imported := room(target)) and importing != imported
    }


def level(name: str) -> int:
    return next(number for number, rooms in enumerate(LEVELS) if name in rooms)


def test_every_module_belongs_to_a_room() -> None:
    assert [name for name, *_ in modules() if name != PACKAGE.name and room(name) is None] == []


def test_no_room_imports_upwards() -> None:
    upwards = {pair for pair in room_imports() if level(pair[1]) < level(pair[0])}
    assert upwards - EXCEPTIONS == set()


def test_rooms_do_not_import_each_other_in_a_circle() -> None:
    """An upgrade loads what it needs and no more, which a circle would undo."""
    graph: dict[str, set[str]] = {}
    for importing, imported in room_imports() - EXCEPTIONS:
        graph.setdefault(importing, set()).add(imported)
    TopologicalSorter(graph).prepare()


def definitions() -> Iterator[str]:
    """The name of every module, class, function and method."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for name, _, tree in modules():
        inside = name.partition(".")[2]
        yield inside
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                yield f"{inside}.{node.name}"


def words(name: str) -> set[str]:
    """The words of a name: of its last part, in snake case or camel case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name.rpartition(".")[2])}


def test_names_are_usual_words() -> None:
    assert {name for name in definitions() if words(name) & WORDS} - OLD_NAMES == set()


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Each function and method: its name after its module's, and its syntax tree."""
    for name, _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name.partition('.')[2]}.{node.name}", node


def doubles_quotes(node: ast.AST) -> bool:
    """Whether it is ``text.replace(mark, mark * 2)``, in that form or with both written out."""
    if not isinstance(node, ast.Call) or len(node.args) != 2:
        return False
    if not isinstance(node.func, ast.Attribute) or node.func.attr != "replace":
        return False
    old, new = node.args
    if isinstance(old, ast.Constant):
        return (
            isinstance(new, ast.Constant)
            and old.value in list("'\"`")
            and new.value == 2 * old.value
        )
    return isinstance(new, ast.BinOp) and ast.dump(old) in map(ast.dump, ast.walk(new))


def test_names_and_values_are_quoted_in_one_place() -> None:
    quoters = {name for name, tree in functions() if any(map(doubles_quotes, ast.walk(tree)))}
    assert quoters == {"quoting._enclosed"}
    preparers = {name for name, _, tree in modules() if "preparer.quote" in ast.unparse(tree)}
    assert preparers == {"alembic_lossless.quoting"}


def test_an_error_is_put_into_words_in_one_place() -> None:
    assert [name for name, _ in functions() if name.endswith(".reason")] == ["errors.reason"]


def test_whether_a_value_fits_is_answered_in_one_place() -> None:
    answers = [name for name, _ in functions() if words(name) & {"fits", "misfit"}]
    assert answers == ["schema.values.fits"]


def test_the_line_that_runs_is_told_in_one_place() -> None:
    """Frames are walked where Python offers nothing else, and no class of Alembic's is changed."""
    walks = ("walk_stack", "_getframe", "f_back", "currentframe", "extract_stack", "inspect.stack")
    sources = {name: ast.unparse(tree) for name, _, tree in modules()}
    walking = {name for name, text in sources.items() if any(word in text for word in walks)}
    assert walking == {"alembic_lossless.run.lines"}
    swapped = {name for name, text in sources.items() if re.search(r"Operations\.\w+ = ", text)}
    assert swapped == set()


def test_our_tables_are_named_in_one_place() -> None:
    tables = re.compile(r"alembic_version|alembic_lossless_(log|adopt|move|\*)")
    naming = {name for name, _, tree in modules() if tables.search(ast.unparse(tree))}
    assert naming == {"alembic_lossless.schema.own_tables"}


#: What begins a statement, or stands in one where it changes something.
KEYWORDS = re.compile(
    r"\b(SELECT|INSERT|UPDATE|DELETE|REPLACE|MERGE|TRUNCATE|CREATE|ALTER|DROP|RENAME|COMMIT"
    r"|ROLLBACK|BEGIN|SAVEPOINT|PRAGMA|SET)\b"
)

#: What reads the text that a server prints of itself: this list only ever becomes shorter.
PRINTED = {"scratch.dump", "autogenerate.dialects.mysql"}


def patterns(tree: ast.Module) -> Iterator[str]:
    """The texts of the regular expressions that a module writes, as far as they stand there."""
    functions = {"compile", "match", "search", "sub", "fullmatch", "findall", "finditer", "split"}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and node.args
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) == "re"
            and node.func.attr in functions
        ):
            texts = (
                part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)
            )
            yield " ".join(text for text in texts if isinstance(text, str))


def test_statements_are_read_in_one_place() -> None:
    """Ten sets of patterns took a comment, a quote or a second statement for ten things."""
    readers = {
        name.partition(".")[2]
        for name, _, tree in modules()
        if any(KEYWORDS.search(pattern) for pattern in patterns(tree))
    }
    assert readers == PRINTED


def test_statements_and_tokens_import_no_room() -> None:
    imported = {
        target
        for importing, target in room_imports()
        if importing in ("statements", "tokens") and target not in ("errors", "compat")
    }
    assert imported == {"tokens"}
