"""Reads what a database really holds: by PRAGMA, and by the words of its CREATE statements.

Two databases are alike where :func:`schema` and :func:`rows` give equal values. Spelling does not
count: case, quotes, comments, spaces, the order of columns and constraints, and whether a
constraint stands behind its column or at the end of its table. Nor does a name as PostgreSQL gives
it to a constraint that has none, which a rename writes down.
"""

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

Words = tuple[str, ...]

TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*\n?|/\*.*?\*/)
    |(?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^]]*\])
    |(?P<string>'(?:[^']|'')*')
    |(?P<word>[^\W\d][\w$]*)
    |(?P<number>\d[\w.]*(?:(?<=[eE])[+-]\d+)?|\.\d+)
    |(?P<sign>\|\||<>|[<>=!]=|.)""",
    re.VERBOSE | re.DOTALL,
)
GIVEN = re.compile(r".+_(key|fkey|check)\d*")
CONSTRAINTS = {"constraint", "primary", "unique", "check", "foreign", "references"}
CLAUSES = CONSTRAINTS | {"not", "null", "default", "collate", "generated", "as"}
INSIDE = {  # words that begin no clause of their own behind another
    "not": {"null", "deferrable"},
    "set": {"null", "default"},
    "default": {"null"},
    "always": {"as"},
}


def words(text: str) -> Words:
    """Return the tokens of *text* without comments, lower case; names without their quotes."""
    return tuple(_words(text))


def _words(text: str) -> Iterator[str]:
    for match in TOKEN.finditer(text):
        token = match.group()
        if match.lastgroup == "name":
            name = token[1:-1].replace(token[-1] * 2, token[-1]).lower()
            yield f'"{name}"' if name in CLAUSES else name
        elif match.lastgroup == "string":
            yield token
        elif match.lastgroup != "space":
            yield token.lower()


def _split(tokens: Words) -> list[Words]:
    """Split at the commas that no parenthesis holds."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [tuple(part) for part in parts]


def _clauses(tokens: Words) -> list[Words]:
    """Split before each clause; ``CONSTRAINT name`` stays with the clause that it names."""
    found: list[list[str]] = [[]]
    depth, before = 0, ""
    for place, token in enumerate(tokens):
        named = len(found[-1]) == 2 and found[-1][0] == "constraint"
        after_foreign = token == "references" and "foreign" in found[-1]
        not_deferrable = tokens[place : place + 2] == ("not", "deferrable")
        begins = depth == 0 and token in CLAUSES and token not in INSIDE.get(before, ())
        if begins and not (named or after_foreign or not_deferrable):
            found.append([])
        depth += {"(": 1, ")": -1}.get(token, 0)
        found[-1].append(token)
        before = token
    return [tuple(clause) for clause in found]


def _of_table(clause: Words, column: str) -> Words:
    """Write a column's constraint as the same constraint at the end of the table."""
    name, clause = (clause[:2], clause[2:]) if clause[0] == "constraint" else ((), clause)
    if name and GIVEN.fullmatch(name[1]):
        name = ()
    match clause:
        case ("primary", "key", ("asc" | "desc") as order, *rest):
            clause = ("primary", "key", "(", column, order, ")", *rest)
        case ("primary", "key", *rest) if rest[:1] != ["("]:
            clause = ("primary", "key", "(", column, ")", *rest)
        case ("unique", *rest):
            clause = ("unique", "(", column, ")", *rest)
        case ("references", *_):
            clause = ("foreign", "key", "(", column, ")", *clause)
    return (*name, *clause)


def _is_constraint(clause: Words) -> bool:
    return clause[2 if clause[0] == "constraint" else 0] in CONSTRAINTS


def written(sql: str) -> tuple[dict[str, frozenset[Words]], list[Words]]:
    """Return what the text of a CREATE TABLE says of its columns, and its constraints, sorted."""
    tokens = words(sql)
    closing = len(tokens) - 1 - tokens[::-1].index(")")
    columns: dict[str, frozenset[Words]] = {}
    constraints: list[Words] = []
    for item in _split(tokens[tokens.index("(") + 1 : closing]):
        if item[0] in CONSTRAINTS:
            constraints += [_of_table(clause, "") for clause in _clauses(item) if clause]
            continue
        kind, *clauses = _clauses(item[1:])
        constraints += [_of_table(c, item[0]) for c in clauses if _is_constraint(c)]
        others = (c for c in clauses if not _is_constraint(c) and c != ("null",))
        columns[item[0]] = frozenset([("type", *kind), *others])
    return columns, sorted(constraints)


def schema(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return every table, index, trigger and view, so that equal schemas give equal values."""
    asked = ("encoding", "page_size", "user_version", "application_id", "auto_vacuum")
    found: dict[str, Any] = {
        f"pragma {name}": connection.execute(f"PRAGMA {name}").fetchone() for name in asked
    }
    for kind, name, owner, sql in connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master "
        "WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~'"
    ).fetchall():
        if kind == "table" and not sql.upper().startswith("CREATE VIRTUAL"):
            found[f"table {name.lower()}"] = _table(connection, name, sql)
        else:
            found[f"{kind} {name.lower()}"] = (owner.lower(), _without_if(words(sql)))
    return found


def _without_if(tokens: Words) -> Words:
    return tuple(t for t in tokens if t not in {"if", "exists"}) if "if" in tokens else tokens


def _table(connection: sqlite3.Connection, name: str, sql: str) -> dict[str, Any]:
    def ask(pragma: str, of: str = name) -> list[tuple[Any, ...]]:
        return connection.execute(f"SELECT * FROM pragma_{pragma}(?)", (of,)).fetchall()

    columns, constraints = written(sql)
    indexes = [
        (
            row[1] if row[3] == "c" else "",
            row[2:],
            [(part[2] and part[2].lower(), *part[3:]) for part in ask("index_xinfo", row[1])],
        )
        for row in ask("index_list")
    ]
    return {
        "kind": connection.execute(
            "SELECT wr, strict FROM pragma_table_list WHERE name = ?", (name,)
        ).fetchall(),
        "columns": {
            row[1].lower(): (row[2].upper(), row[3], row[4] and words(row[4]), *row[5:])
            for row in ask("table_xinfo")
        },
        "indexes": sorted((n, flags, _parts(parts)) for n, flags, parts in indexes),
        "foreign keys": sorted(_foreign_keys(ask("foreign_key_list"))),
        "written columns": columns,
        "written constraints": constraints,
    }


def _parts(parts: list[tuple[Any, ...]]) -> list[tuple[str, ...]]:
    return [tuple(map(str, part)) for part in parts if part[-1]]


def _foreign_keys(rows: list[tuple[Any, ...]]) -> list[str]:
    keys: dict[int, list[Any]] = {}
    for number, _, *rest in sorted(rows):
        keys.setdefault(number, []).append([str(part).lower() for part in rest])
    return [str(key) for key in keys.values()]


def rows(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return every row of every table with each value's type, and what ``sqlite_sequence`` says."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master "
        "WHERE type = 'table' AND name NOT LIKE 'sqlite~_stat%' ESCAPE '~'"
    ).fetchall()
    found: dict[str, Any] = {}
    for (table,) in tables:
        described = connection.execute(
            "SELECT name FROM pragma_table_xinfo(?) WHERE hidden <> 1", (table,)
        )
        columns = sorted((column for (column,) in described), key=str.lower)
        asked = ", ".join(f"{_quoted(column)}, typeof({_quoted(column)})" for column in columns)
        # A sequence of 0 says as much as none.
        some = " WHERE seq > 0" if table == "sqlite_sequence" else ""
        held = connection.execute(f"SELECT {asked} FROM {_quoted(table)}{some}")
        found[table.lower()] = ([column.lower() for column in columns], sorted(map(repr, held)))
    if found.get("sqlite_sequence", ([], []))[1] == []:
        found.pop("sqlite_sequence", None)
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
