"""Cuts SQL into tokens, as SQLite, PostgreSQL, or MySQL and MariaDB do.

White space and comments belong to no token; what stands in MySQL's executable comments
(``/*!50100 … */``) does, because the server runs it. A string's or a body's words are one token.
"""

import re
from functools import cache
from typing import NamedTuple

_NUMBER = r"0[xX][0-9a-fA-F_]+ | (?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?"
_WORD = r"[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*"
_MARK = r"\|\| | ->>? | << | >> | [<>=!]= | <>"

_PATTERNS = {
    # https://sqlite.org/lang.html
    "sqlite": rf"""
      (?P<gap> [ \t\n\f\r]+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<blob> [xX]'[0-9a-fA-F]*' )
    | (?P<string> '(?:[^']|'')*' )
    | (?P<quoted> "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] )
    | (?P<number> {_NUMBER} )
    | (?P<word> {_WORD} )
    | (?P<mark> {_MARK} | [(),.;+*/%&|~<>=!?:@\#$-] )
    """,
    # https://www.postgresql.org/docs/current/sql-syntax-lexical.html
    "postgresql": rf"""
      (?P<gap> \s+ | --[^\n]* )
    | (?P<comment> /\* )
    | (?P<string> [eE]'(?:[^'\\]|\\.|'')*' | (?:[uU]&|[bBnNxX])?'(?:[^']|'')*' )
    | (?P<body> \$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)?)\$.*?\$(?P=tag)\$ )
    | (?P<quoted> (?:[uU]&)?"(?:[^"]|"")*" )
    | (?P<number> {_NUMBER} )
    | (?P<word> {_WORD} )
    | (?P<mark> {_MARK} | :: | [^\s\w'"] )
    """,
    # https://dev.mysql.com/doc/refman/8.4/en/language-structure.html; M is MariaDB's
    "mysql": rf"""
      (?P<gap> \s+ | --(?=\s|\Z)[^\n]* | \#[^\n]* | /\*M?!\d* | /\*.*?(?:\*/|\Z) | \*/ )
    | (?P<string> [bBnNxX]?'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" )
    | (?P<quoted> `(?:[^`]|``)*` )
    | (?P<number> {_NUMBER} )
    | (?P<word> {_WORD} )
    | (?P<mark> {_MARK} | [^\s\w'"`] )
    """,
}
_COMMENT = re.compile(r"/\*|\*/")


class SQLTextError(ValueError):
    """A text that cannot be read as SQL; the message says where."""


class Token(NamedTuple):
    """One token: its *kind* (a group of the pattern), its text, and where it stands."""

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
        """The identifier, without its quotes."""
        return unquote(self.text) if self.kind in ("quoted", "string") else self.text


@cache
def _scanner(kind: str) -> re.Pattern[str]:
    """Return the pattern of one token; compiled when the first text is read."""
    return re.compile(_PATTERNS[kind], re.VERBOSE | re.DOTALL)


def scan(text: str, kind: str = "sqlite") -> list[Token]:
    """Return the tokens of *text*.

    :param text: SQL, of any number of statements.
    :param kind: the database that reads it: ``sqlite``, ``postgresql`` or ``mysql``.
    :raises SQLTextError: at a character that starts no token, such as a quote that is not closed.
    """
    match_at = _scanner(kind).match
    tokens = []
    at = 0
    while at < len(text):
        match = match_at(text, at)
        if match is None:
            raise SQLTextError(f"cannot read on from {text[at : at + 20]!r} (character {at})")
        token_kind, end = match.lastgroup or "", match.end()
        if token_kind == "comment":
            end = _end_of_nested_comment(text, at)
        elif token_kind != "gap":
            tokens.append(Token(token_kind, match[0], at, end))
        at = end
    return tokens


def _end_of_nested_comment(text: str, start: int) -> int:
    depth = 0
    for mark in _COMMENT.finditer(text, start):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.end()
    return len(text)


def unquote(text: str) -> str:
    """Return the identifier or string that *text* quotes in one of SQLite's four ways."""
    if text[:1] == "[":
        return text[1:-1]
    if text[:1] in ("'", '"', "`"):
        return text[1:-1].replace(text[0] * 2, text[0])
    return text
