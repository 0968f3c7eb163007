"""What edits do to a model of a table, said here once more, in words of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from hypothesis import strategies as st

from tests.library.sqlite.model import TYPES, Col, Model


@dataclass
class Edit:
    """One operation: how Alembic is told, and whether rows stand in its way."""

    what: str
    column: str
    extra: Any = None

    def fails(self, model: Model) -> bool:
        rows = model.rows
        if self.what == "set_not_null":
            return any(row[self.column] is None for row in rows)
        if self.what == "add_unique":
            return model.twice((self.column,))
        if self.what == "add_check":
            nocase = model.columns[self.column].collate == "NOCASE"
            held = [row[self.column] or "" for row in rows]
            return self.extra in ([value.lower() for value in held] if nocase else held)
        if self.what == "add_parent":
            return any(row[self.column] not in (1, 2, None) for row in rows)
        if self.what == "add_not_null":
            return bool(rows)
        if self.what == "to_integer":
            return any(
                row[self.column] not in ("", None) or row[self.column] == "" for row in rows
            ) and any(row[self.column] is not None for row in rows)
        return False

    def tell(self, op: Any) -> None:
        """Tell the operation, to a batch or, through :class:`Outside`, out of one."""
        column = self.column
        {
            "set_not_null": lambda: op.alter_column(column, nullable=False),
            "drop_not_null": lambda: op.alter_column(column, nullable=True),
            "set_default": lambda: op.alter_column(column, server_default=self.extra),
            "drop_default": lambda: op.alter_column(column, server_default=None),
            "rename": lambda: op.alter_column(column, new_column_name=self.extra),
            "drop": lambda: op.drop_column(column),
            "add": lambda: op.add_column(sa.Column(column, sa.Integer, server_default="7")),
            "add_not_null": lambda: op.add_column(sa.Column(column, sa.Integer, nullable=False)),
            "add_unique": lambda: op.create_unique_constraint(f"uq {column}", [column]),
            "add_check": lambda: op.create_check_constraint(
                "ck new", sa.column(column) != self.extra
            ),
            "drop_check": lambda: op.drop_constraint(self.extra, type_="check"),
            "add_parent": lambda: op.create_foreign_key("fk new", "p", [column], ["id"]),
            "drop_parent": lambda: op.drop_constraint(f"t_{column}_fkey", type_="foreignkey"),
            "drop_primary": lambda: op.drop_constraint("t_pkey", type_="primary"),
            "widen": lambda: op.alter_column(column, type_=self.extra),
            "to_integer": lambda: op.alter_column(column, type_=sa.Integer()),
        }[self.what]()

    def apply(self, model: Model) -> None:
        """Do to the model what the operation does to the table."""
        name, column = self.column, model.columns.get(self.column)
        match self.what:
            case "set_not_null":
                column.not_null = True
            case "drop_not_null":
                column.not_null = False
            case "set_default":
                column.default = "'" + self.extra.replace("'", "''") + "'"
            case "drop_default":
                column.default = None
            case "rename":
                self._rename(model)
            case "drop":
                self._drop(model)
            case "add":
                model.columns[name] = Col("INTEGER", default="'7'")
                for row in model.rows:
                    row[name] = 7
            case "add_not_null":
                model.columns[name] = Col("INTEGER", not_null=True)
            case "add_unique":
                model.uniques.append((name,))
            case "add_check":
                model.checks["ck new"] = (name, self.extra)
            case "drop_check":
                del model.checks[self.extra]
            case "add_parent":
                model.parents.append(name)
                model.named.append(name)
            case "drop_parent":
                model.parents.remove(name)
            case "drop_primary":
                if model.columns[name].type == "INTEGER":
                    model.columns[name].not_null = True
                model.primary = ()
            case "widen":
                column.type = str(self.extra)
            case "to_integer":
                column.type = "INTEGER"

    def _rename(self, model: Model) -> None:
        old, new = self.column, self.extra

        def now(name: str) -> str:
            return new if name == old else name

        model.columns = {now(n): c for n, c in model.columns.items()}
        model.primary = tuple(map(now, model.primary))
        model.uniques = [tuple(map(now, names)) for names in model.uniques]
        model.checks = {n: (now(c), word) for n, (c, word) in model.checks.items()}
        model.parents = list(map(now, model.parents))
        model.named = list(map(now, model.named))
        model.indexes = {n: now(c) for n, c in model.indexes.items()}
        model.rows = [{now(n): v for n, v in row.items()} for row in model.rows]

    def _drop(self, model: Model) -> None:
        name = self.column
        del model.columns[name]
        model.primary = () if name in model.primary else model.primary
        model.uniques = [names for names in model.uniques if name not in names]
        model.checks = {n: c for n, c in model.checks.items() if c[0] != name}
        model.parents = [n for n in model.parents if n != name]
        model.indexes = {n: c for n, c in model.indexes.items() if c != name}
        for row in model.rows:
            del row[name]


class Outside:
    """Gives a table's operations the shape that a batch gives them."""

    def __init__(self, op: Operations) -> None:
        self.op = op

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.op, name)
        if name == "create_foreign_key":
            return lambda constraint, *rest: operation(constraint, "t", *rest)
        if name.startswith("create") or name == "drop_constraint":
            return lambda constraint, *rest, **more: operation(constraint, "t", *rest, **more)
        return lambda *rest, **more: operation("t", *rest, **more)


def edits(model: Model, draw: Any) -> Edit:
    """Draw an edit that makes sense on *model*."""
    names = list(model.columns)
    column = draw(st.sampled_from(names))
    text = TYPES.get(model.columns[column].type, "text") == "text"
    new = "new col"
    choices = [
        Edit("set_not_null", column),
        Edit("set_default", column, draw(st.sampled_from("89"))),
    ]
    if column not in model.primary:
        choices += [Edit("drop_not_null", column), Edit("drop_default", column)]
        if len(names) > 2:
            choices.append(Edit("drop", column))
    if new not in names:
        choices += [Edit("add", new), Edit("add_not_null", new), Edit("rename", column, new)]
    if "ck new" not in model.checks and text:
        choices.append(Edit("add_check", column, draw(st.sampled_from(["x", "never"]))))
    if all(u != (column,) for u in model.uniques) and model.primary != (column,):
        choices.append(Edit("add_unique", column))
    if not model.parents and not text:
        choices.append(Edit("add_parent", column))
    choices += [Edit("drop_check", c, name) for name, (c, _) in model.checks.items()]
    choices += [Edit("drop_parent", c) for c in model.parents if c not in model.named]
    if model.primary:
        choices.append(Edit("drop_primary", model.primary[0]))
    if text and column not in model.primary:
        choices += [Edit("widen", column, sa.String(40)), Edit("to_integer", column)]
    return draw(st.sampled_from(choices))
