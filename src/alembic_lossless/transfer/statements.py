"""Statements for either kind of server: run as they are, with names quoted as it quotes them."""

from typing import Any

from sqlalchemy import Connection, CursorResult


def run(target: Connection, statement: str, **options: Any) -> CursorResult[*tuple[Any, ...]]:
    """Run *statement* as it is; a per cent sign in it stands for itself."""
    return target.exec_driver_sql(statement, execution_options={"no_parameters": True, **options})


def quoted(target: Connection, *names: str) -> str:
    """Quote *names* for the target, with commas between them."""
    mark = '"' if is_postgresql(target) else "`"
    return ", ".join(mark + name.replace(mark, mark * 2) + mark for name in names)


def is_postgresql(target: Connection) -> bool:
    """Tell whether the target is PostgreSQL; else it is MySQL or MariaDB."""
    return target.dialect.name == "postgresql"
