"""What env.py and alembic.ini configure counts for a new migration as it does for stock."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import write_hooks

from alembic_lossless.autogenerate.migrate import write_migration
from alembic_lossless.checklist.answers import Answers
from alembic_lossless.errors import MigrationError
from alembic_lossless.rehearsal.rehearse import rehearse
from alembic_lossless.run import expand_contract
from alembic_lossless.scratch.sources import find_sources
from tests.library.autogenerate.project import ALEMBIC_MAKO, Project

BOOK = """op.create_table("book", sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(90), server_default="x"), sa.Column("extra", sa.Integer))
op.create_table("legacy", sa.Column("id", sa.Integer, primary_key=True))"""


def book(project: Project, *columns: sa.Column[Any]) -> None:
    """Let the models of *project* be a book, shorter and without a default, with *columns*."""
    project.metadata = sa.MetaData()
    own = sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(50))
    sa.Table("book", project.metadata, *own, *columns)


def extra() -> sa.Column[int]:
    return sa.Column("extra", sa.Integer)


@pytest.fixture
def made(on_each: Project) -> Project:
    """A database with a row that the chain made, and models that differ from it."""
    on_each.by_hand(BOOK)
    on_each.upgrade()
    on_each.run("INSERT INTO book (id, extra) VALUES (1, 2)", "INSERT INTO legacy VALUES (3)")
    return on_each


def operations(path: Path) -> str:
    return path.read_text().partition("def upgrade")[2]


def rehearsed(project: Project) -> None:
    """Rehearse the head as a command does, with what env.py gives."""
    given: dict[str, Any] = {}
    text = (project.folder / "env.py").read_text().partition("connectable = ")
    definitions = text[2].partition("\n")[2].partition("\nif context")[0]
    exec(definitions.replace('given["metadata"]', "None"), given)
    sources, _ = find_sources(project.kinds, sa.make_url(project.url))
    options = given["options"]
    result = rehearse(project.script, "head", project.metadata, sources, options=options)
    assert (result.failures, result.ahead) == ([], [])


ONLY_TITLE = "lambda context, inspected, column, *_: False if column.name == 'title' else None"
ALL = '"compare_server_default": True'
DEFAULTS = """
def compare(context, inspected, column, default, of_model, rendered):
    assert context.dialect.name in ("sqlite", "postgresql", "mysql", "mariadb")
    return False if (default or "").strip("'")[:1] == "x" and rendered is None else None
"""


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (ALL, {"column", "default"}),
        (f'"compare_type": False, {ALL}', {"default"}),
        ('"compare_server_default": False', {"column"}),
        (f'"compare_type": {ONLY_TITLE}, {ALL}', {"default"}),
        ('"compare_server_default": compare', {"column"}),
    ],
)
def test_types_and_defaults_are_compared_as_env_says(
    made: Project, options: str, reported: set[str]
) -> None:
    book(made, extra())
    sa.Table("legacy", made.metadata, sa.Column("id", sa.Integer, primary_key=True))
    made.configure(options, DEFAULTS)
    agreement = made.verify()
    assert not any("default" in line for line in agreement.lines()) or "default" in reported
    (differences,) = agreement.differences.values()
    assert {item.key.kind for item in differences if item.key.name == "title"} == reported
    assert {item.key.name for item in differences} == {"title"}


def test_what_is_not_compared_is_not_proposed_either(made: Project) -> None:
    book(made, extra(), sa.Column("pages", sa.Integer))
    sa.Table("legacy", made.metadata, sa.Column("id", sa.Integer, primary_key=True))
    made.configure('"compare_type": False, "compare_server_default": False')
    (path,) = made.new("pages").paths
    assert "title" not in operations(path)
    rehearsed(made)
    made.upgrade()
    assert made.run("SELECT title, extra, pages FROM book") == [("x", 2, None)]
    assert made.verify().agrees
    made.downgrade()
    assert made.run("SELECT title, extra FROM book") == [("x", 2)]


NEVER_DROP = """
from alembic.operations import ops

def never_drop(context, revision, directives):
    upgrade = directives[0].upgrade_ops
    upgrade.ops = [op for op in upgrade.ops if not isinstance(op, ops.DropTableOp)]
    for op in upgrade.ops:
        if isinstance(op, ops.ModifyTableOps):
            op.ops = [part for part in op.ops if not isinstance(part, ops.DropColumnOp)]
"""


def test_what_a_hook_takes_out_stays_out(made: Project) -> None:
    book(made, sa.Column("pages", sa.Integer))
    made.configure(
        '"process_revision_directives": never_drop, "compare_type": False,'
        ' "compare_server_default": False',
        NEVER_DROP,
    )
    (path,) = made.new("pages").paths
    assert "drop" not in operations(path).partition("def downgrade")[0]
    rehearsed(made)
    made.upgrade()
    assert made.verify().agrees
    assert not made.new("nothing").paths
    assert made.run("SELECT extra, pages FROM book") == [(2, None)]
    assert made.run("SELECT id FROM legacy") == [(3,)]


ADD_VIEW = """
from alembic.operations import ops

def add_view(context, revision, directives):
    script = directives[0]
    if not script.upgrade_ops.is_empty():
        view = "CREATE VIEW titles AS SELECT title FROM book"
        script.upgrade_ops.ops.append(ops.ExecuteSQLOp(view))
        script.downgrade_ops.ops.insert(0, ops.ExecuteSQLOp("DROP VIEW titles"))
        script.imports.add("import decimal")
"""


def test_what_a_hook_adds_is_written_and_tried(made: Project) -> None:
    book(made, extra(), sa.Column("pages", sa.Integer))
    sa.Table("legacy", made.metadata, sa.Column("id", sa.Integer, primary_key=True))
    made.configure(
        '"process_revision_directives": add_view, "compare_type": False,'
        ' "compare_server_default": False',
        ADD_VIEW,
    )
    (path,) = made.new("pages").paths
    up, down = operations(path).split("def downgrade")
    assert up.index("pages") < up.index("CREATE VIEW")
    assert down.index("DROP VIEW") < down.index("pages")
    rehearsed(made)
    made.upgrade()
    assert made.run("SELECT title FROM titles") == [("x",)]
    made.downgrade()
    assert made.run("SELECT title, extra FROM book") == [("x", 2)]


#: As in Alembic's documentation.
NULLABLE_FIRST = """
from alembic.autogenerate import rewriter
from alembic.operations import ops

writer = rewriter.Rewriter()

@writer.rewrites(ops.AddColumnOp)
def add_column(context, revision, op):
    if op.column.nullable:
        return op
    op.column.nullable = True
    name = op.column.name
    later = ops.AlterColumnOp(
        op.table_name, name, modify_nullable=False, existing_type=op.column.type
    )
    return [op, later]
"""


def test_column_that_a_hook_lets_be_null_first_is_not_null_in_the_end(made: Project) -> None:
    book(made, extra(), sa.Column("pages", sa.Integer, nullable=False))
    sa.Table("legacy", made.metadata, sa.Column("id", sa.Integer, primary_key=True))
    made.configure(
        '"process_revision_directives": writer, "compare_type": False,'
        ' "compare_server_default": False',
        NULLABLE_FIRST,
    )
    made.new("pages", fill="book.pages=7")
    made.upgrade()
    assert made.run("SELECT title, extra, pages FROM book") == [("x", 2, 7)]
    assert made.verify().agrees
    with pytest.raises(sa.exc.DBAPIError):
        made.run("INSERT INTO book (id) VALUES (2)")


#: The recipe that numbers revisions.
NUMBERED = """
from alembic.script import ScriptDirectory

def number(context, revision, directives):
    head = ScriptDirectory.from_config(context.config).get_current_head()
    directives[0].rev_id = f"{int(head or 0) + 1:04}"
"""


CONSENT = "drop-column book.extra: no; drop-table legacy: no"


def changed(project: Project) -> None:
    """Let the models be another change, which takes two revisions."""
    book(project, sa.Column("pages", sa.Integer))


@pytest.mark.parametrize("typed", [False, True])
def test_numbers_of_revisions_are_counted_up_in_a_change_of_two(
    project: Project, typed: bool
) -> None:
    project.by_hand(BOOK)
    path = next((project.folder / "versions").glob("*.py"))
    path.write_text(path.read_text().replace("hand1", "0001"))
    changed(project)
    if not typed:
        project.configure('"process_revision_directives": number', NUMBERED)
    options = {"rev_id": "0002"} if typed else {}
    report = write_migration(
        project.config(), "pages", answers=Answers.parse(accept=CONSENT), **options
    )
    assert report.revisions == [f"{number:04}" for number in range(2, 2 + len(report.paths))]
    assert len(report.paths) > 1
    project.upgrade()
    assert project.verify().agrees
    project.downgrade("base")


TWO = """
from alembic.operations import ops

def two(context, revision, directives):
    directives.append(ops.MigrationScript("x", ops.UpgradeOps([]), ops.DowngradeOps([])))
"""


def test_hook_that_makes_two_revisions_is_refused_in_a_sentence(project: Project) -> None:
    book(project)
    project.configure('"process_revision_directives": two', TWO)
    with pytest.raises(MigrationError, match="neither reviewed nor rehearsed"):
        project.new("book")
    assert not list((project.folder / "versions").iterdir())


DATED = "%(year)d_%(month).2d_%(day).2d_%(hour).2d%(minute).2d-%(rev)s_%(slug)s"
WITHOUT_ID = "%(year)d%(month).2d%(day).2d_%(slug)s"


@pytest.mark.parametrize("template", [DATED, WITHOUT_ID])
def test_files_of_one_change_that_a_date_names_sort_as_the_chain(
    project: Project, template: str
) -> None:
    project.ini["alembic"] = {"file_template": template, "timezone": "UTC"}
    project.by_hand(BOOK)
    changed(project)
    message = "pages, and a message that is much too long for the name of a file"
    report = project.new(message, accept=CONSENT)
    assert len({path.name for path in report.paths}) == len(report.paths) > 1
    assert sorted(report.paths) == report.paths
    assert all(re.match(r"20\d\d_?\d\d_?\d\d_", path.name) for path in report.paths)
    project.upgrade()
    assert project.verify().agrees


def test_chain_in_two_folders(made: Project) -> None:
    first, second = made.folder / "versions", made.folder.parent / "more"
    made.ini["alembic"] = {
        "version_locations": os.pathsep.join(map(str, (first, second))),
        "path_separator": "os",
    }
    book(made, extra(), sa.Column("pages", sa.Integer))
    sa.Table("legacy", made.metadata, sa.Column("id", sa.Integer, primary_key=True))
    made.configure('"compare_type": False, "compare_server_default": False')
    report = write_migration(made.config(), "pages", version_path=str(second))
    assert [path.parent for path in report.paths] == [second]
    rehearsed(made)
    made.upgrade()
    assert made.verify().agrees
    assert expand_contract.stacked_on(made.script, report.revisions[0]) == []
    sa.Table("later", made.metadata, sa.Column("id", sa.Integer, primary_key=True))
    assert [path.parent for path in made.new("later").paths] == [second]
    made.upgrade()
    made.downgrade("hand1")
    assert made.run("SELECT title, extra FROM book") == [("x", 2)]


@pytest.fixture
def money(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A type of the application's own, in a module."""
    (tmp_path / "shop_types.py").write_text(
        "import sqlalchemy as sa\n\n\n"
        "class Money(sa.TypeDecorator):\n    impl = sa.Numeric(10, 2)\n    cache_ok = True\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "shop_types", raising=False)
    return __import__("shop_types").Money


RENDER = """
def render_item(kind, item, autogen):
    if kind == "type" and type(item).__name__ == "Money":
        autogen.imports.add("import shop_types")
        return "shop_types.Money()"
    return False
"""


def import_in_template(project: Project, *lines: str) -> None:
    """Write imports into script.py.mako, in the place of SQLAlchemy's and Alembic's."""
    shutil.copy(ALEMBIC_MAKO, project.folder / "script.py.mako")
    mako = project.folder / "script.py.mako"
    text = mako.read_text()
    for line in ("from alembic import op\n", "import sqlalchemy as sa\n"):
        assert line in text
        text = text.replace(line, "")
    mako.write_text(text.replace("${imports", "\n".join(lines) + "\n${imports"))


PLAIN = "from alembic import op", "import sqlalchemy as sa"


@pytest.mark.parametrize("how", ["render_item", "render_item, imported by the template", "prefix"])
def test_own_types_are_written_as_env_says(project: Project, money: Any, how: str) -> None:
    project.by_hand(BOOK)
    project.metadata = sa.MetaData()
    kinds = "import shop_types as kinds"
    if how == "render_item":
        project.configure('"render_item": render_item', RENDER)
    elif how == "prefix":
        import_in_template(project, *PLAIN, kinds)
        project.configure('"user_module_prefix": "kinds."')
    else:
        import_in_template(project, *PLAIN, "import shop_types")
        added = '        autogen.imports.add("import shop_types")\n'
        project.configure('"render_item": render_item', RENDER.replace(added, ""))
    own = sa.Column("id", sa.Integer, primary_key=True), sa.Column("price", money())
    sa.Table("book", project.metadata, *own)
    report = project.new("price", accept=f"{CONSENT}; drop-column book.title: no")
    text = report.paths[0].read_text()
    assert ("kinds.Money(" if how == "prefix" else "shop_types.Money()") in text
    assert (kinds if how == "prefix" else "import shop_types") in text
    project.upgrade()
    assert project.verify().agrees
    project.downgrade("base")


def test_names_of_sqlalchemy_and_alembic_are_those_that_env_configures(project: Project) -> None:
    import_in_template(project, "import alembic.op", "import sqlalchemy")
    project.configure(
        '"sqlalchemy_module_prefix": "sqlalchemy.", "alembic_module_prefix": "alembic.op."'
    )
    project.by_hand(BOOK)
    project.upgrade()
    project.run("INSERT INTO book (id, extra) VALUES (1, 2)")
    book(project, sa.Column("pages", sa.Integer, nullable=False))
    report = project.new("pages", fill="book.pages=7", accept=CONSENT)
    for path in report.paths:
        assert not re.search(r"(?<![.\w])(sa|op)\.", operations(path))
        assert "alembic.op." in path.read_text()
    assert "sqlalchemy.Column(" in operations(report.paths[0])
    project.upgrade()
    assert project.run("SELECT title, pages FROM book") == [("x", 7)]
    assert project.verify().agrees
    project.downgrade("hand1")


def test_file_is_written_in_the_encoding_that_is_configured(project: Project) -> None:
    project.ini["alembic"] = {"output_encoding": "latin-1"}
    mako = project.folder / "script.py.mako"
    mako.write_text('${"# -*- coding: latin-1 -*-"}\n' + mako.read_text())
    project.by_hand(BOOK)
    book(project, extra(), sa.Column("größe", sa.Integer, comment="Maß"))
    report = project.new("Größe", accept="drop-table: no €")
    for path in report.paths:
        assert "Größe" in path.read_bytes().decode("latin-1")
    project.upgrade()
    assert project.verify().agrees
    assert not project.new("nothing").paths
    project.downgrade("base")


@pytest.fixture
def written() -> Iterator[list[tuple[Path, str]]]:
    """What a post_write_hook of the project's was called with: the files, and their text."""
    calls: list[tuple[Path, str]] = []

    @write_hooks.register("note")
    def note(path: str, options: dict[str, Any]) -> None:
        text = Path(path).read_text() + "\n# formatted\n"
        Path(path).write_text(text)
        calls.append((Path(path), text))

    yield calls
    write_hooks._registry.pop("note")


def test_formatter_of_the_project_runs_once_on_each_file_and_last(
    project: Project, written: list[tuple[Path, str]]
) -> None:
    project.ini["post_write_hooks"] = {"hooks": "own", "own.type": "note"}
    project.by_hand(BOOK)
    changed(project)
    report = project.new("pages", accept=CONSENT)
    assert [path for path, _ in written] == report.paths
    report = write_migration(project.config(), "by hand", empty=True)
    assert [path for path, _ in written][-1:] == report.paths
    project.migrate()
    for path, text in written:
        assert path.read_text() == text
        assert "Reviewed for" in text or path in report.paths


def test_env_runs_for_an_empty_revision_too_where_that_is_configured(project: Project) -> None:
    project.ini["alembic"] = {"revision_environment": "true"}
    project.configure('"process_revision_directives": number', NUMBERED)
    report = write_migration(project.config(), "by hand", empty=True)
    assert report.revisions == ["0001"]
    project.upgrade()
    report = write_migration(project.config(), "by hand", empty=True)
    assert report.revisions == ["0002"]


def test_version_table_without_a_key_and_one_transaction_for_all(made: Project) -> None:
    made.run("DROP TABLE alembic_version")
    made.configure('"version_table_pk": False, "transaction_per_migration": False')
    command.stamp(made.config(), "hand1")
    made.by_hand('op.add_column("book", sa.Column("pages", sa.Integer))', "pass")
    made.upgrade()
    assert made.run("SELECT version_num FROM alembic_version") == [("hand2",)]
    engine = sa.create_engine(made.url)
    assert not sa.inspect(engine).get_pk_constraint("alembic_version")["constrained_columns"]
    engine.dispose()
