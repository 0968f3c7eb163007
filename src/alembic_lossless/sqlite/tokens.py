"""The words of SQLite's SQL, with their places in the text.

:func:`scan` cuts a text into tokens as SQLite's own tokenizer does (https://sqlite.org/lang.html):
white space and comments belong to no token, so that an edit between two places keeps them.
"""

import re
from typing import NamedTuple

_PATTERN = re.compile(
    r"""
      (?P<gap> [ \t\n\f\r]+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<blob> [xX]'[0-9a-fA-F]*' )
    | (?P<string> '(?:[^']|'')*' )
    | (?P<quoted> "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] )
    | (?P<number> 0[xX][0-9a-fA-F_]+ | (?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)? )
    | (?P<word> [A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]* )
    | (?P<mark> \|\| | ->>? | << | >> | [<>=!]= | <> | [(),.;+*/%&|~<>=!?:@\#$-] )
    """,
    re.VERBOSE | re.DOTALL,
)


class SQLTextError(ValueError):
    """A text that cannot be read as SQLite's SQL; the message says where."""


class Token(NamedTuple):
    """One word: its *kind* (a group of the pattern), what it says, and where it stands."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def key(self) -> str:
        """A bare word in capitals, or a mark: what a keyword is compared with; else nothing."""
        return self.text.upper() if self.kind in ("word", "mark") else ""

    @property
    def name(self) -> str:
        """What the token says as an identifier, without its quotes."""
        return unquote(self.text) if self.kind in ("quoted", "string") else self.text


def scan(text: str) -> list[Token]:
    """Return the tokens of *text*.

    :raises SQLTextError: at a character that starts no token, such as a quote that is not closed.
    """
    tokens = []
    at = 0
    while at < len(text):
        match = _PATTERN.match(text, at)
        if match is None:
            raise SQLTextError(f"cannot read on from {text[at : at + 20]!r} (character {at})")
        kind = match.lastgroup or ""
        if kind != "gap":
            tokens.append(Token(kind, match[0], at, match.end()))
        at = match.end()
    return tokens


class Cursor:
    """Goes through the tokens of a text once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [*scan(text), Token("end", "", len(text), len(text))]
        self.at = 0

    def peek(self, ahead: int = 0) -> str:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)].key

    def take(self) -> Token:
        token = self.tokens[self.at]
        if token.kind == "end":
            raise SQLTextError("ends too early")
        self.at += 1
        return token

    def accept(self, *keys: str) -> bool:
        if tuple(self.peek(i) for i in range(len(keys))) != keys:
            return False
        self.at += len(keys)
        return True

    def expect(self, *keys: str) -> None:
        if not self.accept(*keys):
            found = self.tokens[self.at]
            raise SQLTextError(
                f"has {found.text or 'its end'!r} where {' '.join(keys)} was expected "
                f"(character {found.start})"
            )

    def identifier(self) -> str:
        token = self.take()
        if token.kind not in ("word", "quoted", "string"):
            raise SQLTextError(f"has {token.text!r} where a name was expected")
        return token.name

    @property
    def end(self) -> int:
        return self.tokens[self.at - 1].end

    def words(self, *choices: str) -> str:
        return self.take().text.lower() if self.peek() in choices else ""

    def parenthesis(self) -> str:
        """Read ``( … )`` and return what stands between."""
        self.expect("(")
        begin, depth = self.end, 1
        while depth:
            depth += {"(": 1, ")": -1}.get(self.take().key, 0)
        return self.text[begin : self.end - 1].strip()


def unquote(text: str) -> str:
    """Return the identifier or string that *text* quotes in one of SQLite's four ways."""
    if text[:1] == "[":
        return text[1:-1]
    if text[:1] in ("'", '"', "`"):
        return text[1:-1].replace(text[0] * 2, text[0])
    return text


def quote(name: str) -> str:
    """Return *name* as an identifier, quoted the standard way."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """Return *value* as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, int | float):
        return repr(+value)
    return "'" + str(value).replace("'", "''") + "'"


def names_in(text: str) -> set[str]:
    """Return, folded, every identifier in *text* that may name a column or a table.

    A function's name, a collation's and the words of a string are left out.
    """
    tokens = scan(text)
    found = set()
    for index, token in enumerate(tokens):
        after = tokens[index + 1].key if index + 1 < len(tokens) else ""
        before = tokens[index - 1].key if index else ""
        if token.kind in ("word", "quoted") and after != "(" and before != "COLLATE":
            found.add(fold(token.name))
    return found


def fold(name: str) -> str:
    """Return *name* as SQLite compares names: without regard to the case of ASCII letters."""
    if name.isascii():
        return name.lower()
    return "".join(c.lower() if c.isascii() else c for c in name)


def normal(text: str) -> str:
    """Return *text* with one space between tokens and bare words folded, for comparing."""
    return " ".join(
        token.text.lower()
        if token.kind == "word"
        else quote(token.name)
        if token.kind == "quoted"
        else token.text
        for token in scan(text)
    )
