"""Two versions of a set of models, at random: few names, so that both versions share them."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st

from alembic_lossless import naming

TABLES = ("ant", "bee", "order")
COLUMNS = ("name", "size", "value", "Group")

TYPES: dict[str, Any] = {
    "integer": lambda: sa.Integer(),
    "bigint": lambda: sa.BigInteger(),
    "string": lambda: sa.String(20),
    "longer": lambda: sa.String(40),
    "numeric": lambda: sa.Numeric(10, 2),
    "boolean": sa.Boolean,
    "date": lambda: sa.Date(),
}
DEFAULTS: dict[str, tuple[Any, ...]] = {
    "integer": (None, "0", "7", sa.text("8")),
    "bigint": (None, "0"),
    "string": (None, "", "it's", sa.text("'x'")),
    "longer": (None, "none", "a, b"),
    "numeric": (None, "0.5"),
    "boolean": (None, sa.false(), sa.true()),
    "date": (None,),
}


@dataclass(frozen=True)
class ColumnSpec:
    name: str
    type: str
    nullable: bool
    default: int
    unique: bool
    index: str
    check: str
    enum: tuple[str, ...]
    comment: str | None

    def column(self, keyed: bool) -> sa.Column[Any]:
        arguments: list[Any] = [self._type()]
        # MariaDB takes no CHECK of a column that counts.
        if self.check == "inline" and self.name.islower() and not keyed:
            arguments.append(
                sa.CheckConstraint(f"{self.name} IS NOT NULL", name=f"{self.name}_inline")
            )
        choices = DEFAULTS[self.type] if not self.enum else (None, self.enum[0])
        return sa.Column(
            self.name,
            *arguments,
            nullable=self.nullable,
            server_default=choices[self.default % len(choices)],
            unique=self.unique,
            index=self.index == "plain",
            comment=self.comment,
        )

    def _type(self) -> Any:
        if self.enum:
            return sa.Enum(
                *self.enum,
                name=f"{self.name}_kind".lower(),
                native_enum=False,
                create_constraint=True,
                length=9,
            )
        if self.type == "boolean":
            return sa.Boolean(create_constraint=True, name=f"{self.name}_flag".lower())
        return TYPES[self.type]()


@dataclass(frozen=True)
class TableSpec:
    name: str
    columns: tuple[ColumnSpec, ...]
    primary: tuple[str, ...]
    checks: tuple[int, ...]
    parent: str | None
    #: Whether the column that points to the parent is in the primary key too.
    keyed: bool
    computed: int
    comment: str | None

    def add_to(self, metadata: sa.MetaData, names: set[str]) -> None:
        columns: list[Any] = []
        if not self.primary:
            columns.append(sa.Column("id", sa.Integer, primary_key=True))
        columns += [spec.column(spec.name in self.primary) for spec in self.columns]
        by_name = {column.name: column for column in columns}
        for name in self.primary:
            by_name[name].primary_key = True
            by_name[name].nullable = False
        if self.parent in names - {self.name}:
            keyed = self.keyed and bool(self.primary)
            parent = sa.ForeignKey(f"{self.parent}.id")
            columns.append(sa.Column("parent_id", parent, primary_key=keyed, autoincrement=False))
        if self.computed:
            columns.append(sa.Column("twice", sa.Integer, sa.Computed(f"{self.computed} * 2")))
        table = sa.Table(self.name, metadata, *columns, comment=self.comment)
        # MariaDB drops a CHECK of no column together with any column.
        others = (spec.name for spec in self.columns if spec.name not in self.primary)
        name = next((name for name in others if name.islower()), None)
        for number in self.checks if name else ():
            text = f"{name} IS NULL OR {number} > 0"
            table.append_constraint(sa.CheckConstraint(text, name=f"number_{number}"))
        for spec in self.columns:
            self._index(spec, table)

    def _index(self, spec: ColumnSpec, table: sa.Table) -> None:
        column = table.c[spec.name]
        name = f"ix_{table.name}_{spec.name}_special"
        if spec.index == "descending":
            sa.Index(name, column.desc())
        elif spec.index == "partial":
            where = column.is_not(None)
            sa.Index(name, column, postgresql_where=where, sqlite_where=where)
        elif spec.index == "expression":
            sa.Index(name, sa.func.coalesce(column, column))
        if spec.check == "named" and spec.name not in self.primary:
            table.append_constraint(
                sa.CheckConstraint(column.is_not(None), name=f"{spec.name}_set")
            )


@dataclass(frozen=True)
class ModelsSpec:
    tables: tuple[TableSpec, ...]

    def add_to(self, metadata: sa.MetaData) -> None:
        with_id = {table.name for table in self.tables if not table.primary}
        for table in self.tables:
            table.add_to(metadata, with_id)

    def metadata(self) -> sa.MetaData:
        made = sa.MetaData(naming_convention=naming.convention)
        self.add_to(made)
        return made


def columns(name: str, comments: bool, expressions: bool = True) -> st.SearchStrategy[ColumnSpec]:
    letters = st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)
    return st.builds(
        ColumnSpec,
        name=st.just(name),
        type=st.sampled_from(sorted(TYPES)),
        nullable=st.booleans(),
        default=st.integers(0, 3),
        unique=st.sampled_from([False, False, True]),
        index=st.sampled_from(
            ["", "", "plain", "descending", "partial", *["expression"] * expressions]
        ),
        check=st.sampled_from(["", "", "inline", "named"]),
        enum=st.one_of(st.just(()), st.just(()), letters.map(tuple)),
        comment=st.sampled_from([None, "it's 100%"]) if comments else st.none(),
    )


@st.composite
def tables(draw: Any, name: str, **what: bool) -> TableSpec:
    chosen = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, unique=True))
    specs = tuple(draw(columns(column, what["comments"], what["expressions"])) for column in chosen)
    keys = [spec.name for spec in specs if spec.type in ("integer", "string") and not spec.enum]
    primary = draw(st.one_of(st.just([]), st.just([]), st.just(keys[:2])))
    return TableSpec(
        name=name,
        columns=specs,
        primary=tuple(primary),
        checks=tuple(draw(st.lists(st.integers(1, 3), max_size=2, unique=True))),
        parent=draw(st.sampled_from([None, *TABLES])),
        keyed=draw(st.booleans()),
        computed=draw(st.integers(0, 2)),
        comment=draw(st.sampled_from([None, "a table"])) if what["comments"] else None,
    )


@st.composite
def models(draw: Any, comments: bool = False, expressions: bool = True) -> ModelsSpec:
    """Draw a version, with *comments* and with *expressions* in indexes."""
    what = {"comments": comments, "expressions": expressions}
    names = draw(st.lists(st.sampled_from(TABLES), min_size=1, unique=True))
    return ModelsSpec(tuple(draw(tables(name, **what)) for name in names))
