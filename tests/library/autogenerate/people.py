"""Models of people, with a row or two, for the tests of answers."""

from pathlib import Path

from sqlalchemy import CheckConstraint, Column, Integer, String, Table

from tests.library.autogenerate.project import Project


def table(project: Project, name: str, *columns: Column) -> Table:
    return Table(name, project.metadata, Column("id", Integer, primary_key=True), *columns)


def with_name(project: Project, name: str) -> None:
    project.metadata.clear()
    column = Column(name, String(30), CheckConstraint(f"{name} <> ''", name="named"), unique=True)
    table(project, "person", column, Column("team", String(9), index=True))


def one_person(project: Project) -> None:
    with_name(project, "name")
    project.new("people")
    project.upgrade()
    project.run("INSERT INTO person (name, team) VALUES ('Ada', 'red')")


def files(project: Project) -> list[Path]:
    return sorted((project.folder / "versions").glob("*.py"))


def with_crew(project: Project) -> None:
    project.metadata.clear()
    table(
        project,
        "person",
        Column("name", String(30)),
        Column("crew", Integer, nullable=False),
        Column("note", String(30), nullable=False),
    )


def without_crew(project: Project) -> None:
    table(project, "person", Column("name", String(30)))
    project.new("people")
    project.upgrade()
    project.run("INSERT INTO person (name) VALUES ('Ada')")
