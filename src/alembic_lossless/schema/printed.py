"""Reads the definitions of constraints as PostgreSQL and MySQL print them."""

import re

from ..tokens import Token, scan
from .model import Check, Constraint, Exclusion, ForeignKey, PrimaryKey, Unique


def unquote(name: str, kind: str) -> str:
    """Return a name, with or without a schema, as it is: without the marks around its parts."""
    return "".join(token.name for token in scan(name, kind))


def element(text: str, kind: str) -> str:
    """Return an element of an index; a column without the marks around its name."""
    return unquote(text, kind) if re.fullmatch(r'(["`])[^"`()\s]+\1', text) else text


def constraint(text: str, kind: str) -> Constraint:
    """Read a constraint as a server prints it, without its name.

    :param text: ``FOREIGN KEY (a) REFERENCES t(b) ON DELETE CASCADE``.
    :param kind: the server: ``postgresql`` or ``mysql``.
    """
    head, parts, rest = parenthesis(text, kind)
    columns = tuple(unquote(part, kind) for part in parts)
    match head.split():
        case ["CHECK"]:
            condition = text[text.index("(") + 1 : len(text) - len(rest)].rstrip()
            return Check(condition.removesuffix(")"), rest.strip())
        case ["UNIQUE", *words]:
            return Unique(columns, rest.strip(), nulls_not_distinct=bool(words))
        case ["PRIMARY", "KEY"]:
            return PrimaryKey(columns, rest.strip())
        case ["FOREIGN", "KEY"]:
            table, referred, options = parenthesis(rest.strip().removeprefix("REFERENCES "), kind)
            to = tuple(unquote(column, kind) for column in referred)
            return foreign_key(columns, unquote(table, kind), to, options)
    return Exclusion(text)


def foreign_key(
    columns: tuple[str, ...], table: str, referred: tuple[str, ...], options: str
) -> ForeignKey:
    """Return a foreign key.

    :param columns: its own.
    :param table: the one that it points to.
    :param referred: the columns there.
    :param options: what follows in its text: actions, MATCH, DEFERRABLE.
    """
    words = [token.key for token in scan(options)]
    clauses: dict[str, str] = {}
    deferrable, rest = False, list[str]()
    while words:
        match words:
            case ["ON", event, ("SET" | "NO") as first, second, *words]:
                clauses[event] = f"{first} {second}"
            case ["ON", event, action, *words]:
                clauses[event] = action
            case ["MATCH" | "INITIALLY" as word, value, *words]:
                clauses[word] = value
            case ["NOT", "DEFERRABLE", *words]:
                deferrable = False
            case ["DEFERRABLE", *words]:
                deferrable = True
            case [word, *words]:
                rest.append(word)
    return ForeignKey(
        columns,
        table,
        referred,
        ondelete=clauses.get("DELETE"),
        onupdate=clauses.get("UPDATE"),
        deferrable=deferrable,
        initially=clauses.get("INITIALLY"),
        match=clauses.get("MATCH"),
        options=" ".join(rest),
    )


def parenthesis(text: str, kind: str) -> tuple[str, list[str], str]:
    """Return what stands before the first parenthesis of *text*, its parts, and what follows it."""
    parts: list[list[Token]] = [[]]
    depth, start = 0, len(text)
    for token in scan(text, kind):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 1 and token.text == "(" and start == len(text):
            start = token.start
        elif depth == 0 and token.text == ")":
            texts = [text[part[0].start : part[-1].end] for part in parts if part]
            return text[:start], texts, text[token.end :]
        elif depth == 1 and token.text == ",":
            parts.append([])
        elif depth:
            parts[-1].append(token)
    return text[:start], [], ""
