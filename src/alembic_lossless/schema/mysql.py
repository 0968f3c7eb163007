"""Reads what MySQL and MariaDB print of their own schema: rows as ``printed.py`` gives them."""

import re
from collections.abc import Iterator

from sqlalchemy import Connection

#: Table, kind and name of an object, and the text that says what it is.
Row = tuple[str, str, str, str | None]

_COLUMNS = """
SELECT column_name, column_type, collation_name, is_nullable, column_default, extra,
  generation_expression, column_comment
FROM information_schema.columns WHERE table_schema = database() AND table_name = %s
"""


def rows(connection: Connection) -> Iterator[Row]:
    """Read SHOW CREATE TABLE, which prints one definition a line, and the columns' catalogue."""
    tables = connection.exec_driver_sql("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'")
    for table in [row[0] for row in tables]:
        quoted = table.replace("`", "``").replace("%", "%%")
        sql = connection.exec_driver_sql(f"SHOW CREATE TABLE `{quoted}`").one()[1]
        _, *lines, options = sql.splitlines()
        options, _, comment = options.lstrip(") ").partition(" COMMENT=")
        yield table, "table", table, re.sub(r" AUTO_INCREMENT=\d+", "", options)
        yield table, "comment", "", comment[1:-1]
        checks = {}
        for line in lines:
            match = _LINE.fullmatch(line.strip().rstrip(","))
            assert match, line
            head, rest = match["head"], match["rest"]
            name = (match["name"] or "PRIMARY KEY").replace("``", "`")
            if head:
                # One word for a constraint and an index: the convention's ix_ tells them apart.
                if head == "UNIQUE KEY " and not name.startswith("ix_"):
                    head = "CONSTRAINT UNIQUE "
                kind = "constraint" if head.startswith(("CONSTRAINT ", "PRIMARY ")) else "index"
                yield table, kind, name, head.removeprefix("CONSTRAINT ") + rest.strip()
            elif " CHECK (" in rest:  # MariaDB's JSON
                checks[name] = rest[rest.index(" CHECK (") :]
        for row in connection.exec_driver_sql(_COLUMNS, (table,)).all():
            yield from _column(table, checks.get(row[0], ""), *row)


_LINE = re.compile(r"(?P<head>[A-Z ]*)(?:`(?P<name>(?:[^`]|``)+)`)?(?P<rest>.*)", re.DOTALL)


def _column(
    table: str,
    check: str,
    name: str,
    kind: str,
    collation: str | None,
    nullable: str,
    default: str | None,
    extra: str,
    generated: str | None,
    comment: str,
) -> Iterator[Row]:
    extra = extra.replace("DEFAULT_GENERATED", "").strip()
    default = (
        "" if default is None or (nullable == "YES" and default == "NULL") else default or "''"
    )
    yield table, "column", name, kind + (f" COLLATE {collation}" * bool(collation)) + check
    yield table, "null", name, "NOT NULL" if nullable == "NO" else None
    yield table, "generated", name, f"{generated} {extra.lower()}" if generated else None
    if not generated:
        yield table, "default", name, f"{default} {extra}"
    yield table, "comment", name, comment
