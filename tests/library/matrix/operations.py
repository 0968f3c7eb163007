"""What a migration can ask for: as Alembic's call, and as a change of the model.

Every operation is about the table ``book``. Its call is written once, as inside
``op.batch_alter_table``; :class:`OutOfBatch` lets the same call run outside a batch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

from .model import Column, Database

Call = Callable[[Any, Database], object]
Change = Callable[[Database], object]


@dataclass
class Operation:
    """*batch_only* options are those of ``batch_alter_table``; with them it runs in batch alone."""

    call: Call
    change: Change
    batch_only: dict[str, object] = field(default_factory=dict)


OPERATIONS: dict[str, Operation] = {}


def operation(name: str, call: Call, *changes: Change, **batch_only: object) -> None:
    def change(db: Database) -> None:
        for each in changes:
            each(db)

    OPERATIONS[name] = Operation(call, change, batch_only)


class OutOfBatch:
    """The methods of Alembic's ``BatchOperations``, each carried out without a batch."""

    def __init__(self, operations: Operations, table: str) -> None:
        self.operations, self.table = operations, table

    def __getattr__(self, method: str) -> Callable[..., object]:
        call = getattr(self.operations, method)

        def with_table(*args: Any, **options: Any) -> object:
            if method in {"add_column", "drop_column", "alter_column"}:
                return call(self.table, *args, **options)
            if method == "drop_index":
                return call(*args, table_name=self.table)
            return call(args[0], self.table, *args[1:], **options)

        return with_table


def _adding(column: Column, value: object = None) -> Change:
    return lambda db: db.add_column("extra", column, value)


def _setting(key: str, **changes: object) -> Change:
    return lambda db: db.set(key, **changes)


def _constraint(key: str, text: str) -> Change:
    return lambda db: db.book.constraints.update({key: text})


def _without(key: str) -> Change:
    return lambda db: db.drop_clause(key)


# -- columns come

operation(
    "add_nullable",
    lambda b, db: b.add_column(sa.Column("extra", sa.Text)),
    _adding(Column("TEXT")),
)
operation(
    "add_default",
    lambda b, db: b.add_column(sa.Column("extra", sa.Integer, server_default="5")),
    _adding(Column("INTEGER", default="'5'"), 5),
)
operation(
    "add_not_null_default",
    lambda b, db: b.add_column(sa.Column("extra", sa.Text, server_default="it's", nullable=False)),
    _adding(Column("TEXT", "NOT NULL", "'it''s'"), "it's"),
)
operation(
    "add_expression_default",
    lambda b, db: b.add_column(
        sa.Column("extra", sa.Integer, server_default=sa.text("(1 + abs(-2))"), nullable=False)
    ),
    _adding(Column("INTEGER", "NOT NULL", "(1 + abs(-2))"), 3),
)
operation(
    "add_not_null",
    lambda b, db: b.add_column(sa.Column("extra", sa.Integer, nullable=False)),
    _adding(Column("INTEGER", "NOT NULL")),
)
operation(
    "add_computed",
    lambda b, db: b.add_column(
        sa.Column("extra", sa.Integer, sa.Computed(f"{db.quoted('price')} + 1", persisted=False))
    ),
    _adding(Column("INTEGER", clauses={"generated": "GENERATED ALWAYS AS ({price} + 1) VIRTUAL"})),
)
operation(
    "add_computed_stored",
    lambda b, db: b.add_column(
        sa.Column("extra", sa.Text, sa.Computed(f"lower({db.quoted('isbn')})", persisted=True))
    ),
    _adding(Column("TEXT", clauses={"generated": "GENERATED ALWAYS AS (lower({isbn})) STORED"})),
)
operation(
    "add_unique_column",
    lambda b, db: b.add_column(sa.Column("extra", sa.Text, unique=True)),
    _adding(Column("TEXT")),
    _constraint("uq_extra", "UNIQUE ({extra})"),
)
operation(
    "add_checked_column",
    lambda b, db: b.add_column(
        sa.Column("extra", sa.Integer, sa.CheckConstraint("extra > 0", name="ck_extra"))
    ),
    _adding(Column("INTEGER")),
    _constraint("ck_extra", "CONSTRAINT ck_extra CHECK ({extra} > 0)"),
)
operation(
    "add_foreign_key_column",
    lambda b, db: b.add_column(
        sa.Column(
            "extra", sa.Integer, sa.ForeignKey("author.id", name="fk_extra", ondelete="SET NULL")
        )
    ),
    _adding(Column("INTEGER")),
    _constraint(
        "fk_extra",
        "CONSTRAINT fk_extra FOREIGN KEY ({extra}) REFERENCES {author} ({aid}) ON DELETE SET NULL",
    ),
)
operation(
    "add_indexed_column",
    lambda b, db: b.add_column(sa.Column("extra", sa.Text, index=True)),
    _adding(Column("TEXT")),
    lambda db: db.rename("ix_extra", f"ix_{db.name('book')}_extra"),
    lambda db: db.around.update(ix_extra="CREATE INDEX {ix_extra} ON {book} ({extra})"),
)
operation(
    "add_column_first",
    lambda b, db: b.add_column(sa.Column("extra", sa.Text), insert_before=db.name("id")),
    _adding(Column("TEXT")),
    table_kwargs={},
)

# -- columns go, or change their names

for _key in ("id", "title", "isbn", "pages", "price", "author_id", "note"):
    operation(
        f"drop_column_{_key}",
        lambda b, db, key=_key: b.drop_column(db.name(key)),  # type: ignore[misc]
        lambda db, key=_key: db.drop_column(key),  # type: ignore[misc]
    )
    operation(
        f"rename_column_{_key}",
        lambda b, db, key=_key: b.alter_column(db.name(key), new_column_name="renamed"),  # type: ignore[misc]
        lambda db, key=_key: db.rename(key, "renamed"),  # type: ignore[misc]
    )
operation(
    "rename_to_odd_name",
    lambda b, db: b.alter_column(db.name("pages"), new_column_name='the "order", (2)'),
    lambda db: db.rename("pages", 'the "order", (2)'),
)
operation(
    "rename_and_set_not_null",
    lambda b, db: b.alter_column(db.name("price"), new_column_name="cost", nullable=False),
    _setting("price", not_null="NOT NULL"),
    lambda db: db.rename("price", "cost"),
)

# -- nullability, defaults, types

operation(
    "set_not_null",
    lambda b, db: b.alter_column(db.name("price"), nullable=False),
    _setting("price", not_null="NOT NULL"),
)
operation(
    "set_not_null_on_nulls",
    lambda b, db: b.alter_column(db.name("isbn"), existing_type=sa.String(13), nullable=False),
    _setting("isbn", not_null="NOT NULL"),
)
operation(
    "drop_not_null",
    lambda b, db: b.alter_column(db.name("title"), nullable=True),
    _setting("title", not_null=""),
)
operation(
    "set_default",
    lambda b, db: b.alter_column(db.name("note"), server_default="it's"),
    _setting("note", default="'it''s'"),
)
operation(
    "change_default",
    lambda b, db: b.alter_column(db.name("price"), server_default=sa.text("8")),
    _setting("price", default="8"),
)
operation(
    "drop_default",
    lambda b, db: b.alter_column(db.name("price"), server_default=None),
    _setting("price", default=""),
)
operation(
    "retype_same_affinity",
    lambda b, db: b.alter_column(db.name("isbn"), type_=sa.String(20)),
    _setting("isbn", type="VARCHAR(20)"),
)
operation(
    "retype_integer_to_text",
    lambda b, db: b.alter_column(db.name("pages"), type_=sa.Text),
    _setting("pages", type="TEXT"),
)
operation(
    "retype_unfit",
    lambda b, db: b.alter_column(db.name("title"), type_=sa.Integer),
    _setting("title", type="INTEGER"),
)
operation(
    "retype_and_default",
    lambda b, db: b.alter_column(db.name("note"), type_=sa.String(99), server_default="-"),
    _setting("note", type="VARCHAR(99)", default="'-'"),
)
operation(
    "retype_and_set_not_null",
    lambda b, db: b.alter_column(db.name("price"), type_=sa.BigInteger, nullable=False),
    _setting("price", type="BIGINT", not_null="NOT NULL"),
)
operation(
    "comment",
    lambda b, db: b.alter_column(db.name("note"), comment="said", existing_comment=None),
)
