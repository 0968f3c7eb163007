"""Reads the text of one CREATE TABLE statement; pure text, knows no database.

``parse(text)`` returns a :class:`Table`: its name, its :class:`Column` objects and its table
constraints, each with the place (``start``, ``end``) of its text, so that ``edit.py`` can change
one and keep every other byte. What the classes hold, for whoever wants to describe a schema:

- ``Table``: ``name``, ``columns``, ``constraints`` (of the table), ``options`` (``"STRICT"``,
  ``"WITHOUT ROWID"``); ``every_constraint()`` yields those of the columns too, ``of(kind, …)``
  those of some kinds; ``column(name)``; ``key`` and ``primary_key`` (its columns' names),
  ``autoincrement``, ``strict``, ``without_rowid``, ``rowid_alias`` (the name of the INTEGER PRIMARY
  KEY that is the rowid itself, or None).
- ``Column``: ``name``, ``type`` (as written, comments and all; "" for none), ``declared``;
  ``constraints``; ``not_null``, ``default`` (its text or None), ``collate``, ``generated`` (a
  :class:`Constraint`).
- ``Constraint``: ``kind`` ("primary", "unique", "check", "foreignkey", "notnull", "null",
  "default", "collate", "generated"), ``name`` or None, ``columns`` (its own column when it stands
  in a column's definition), ``expression`` (of check, default, generated; the collation's name),
  ``referred_table`` and ``referred_columns``, ``options`` (what follows, normalised: ``on delete
  cascade``, ``on conflict ignore``, ``stored``, ``deferrable initially deferred``,
  ``autoincrement``), ``inline`` (it stands in a column's definition).

``tokens.normal(text)`` makes two spellings of one expression equal; ``tokens.fold(name)`` compares
names as SQLite does.

The grammar is https://sqlite.org/lang_createtable.html as SQLite's ``parse.y`` really takes it:
constraints of a table need no commas between them, a type may be any words, ``CONSTRAINT x`` may
stand alone.
"""

from functools import lru_cache

from .grammar import Reader
from .table import RULES, Column, Constraint, CreateTableError, Table
from .tokens import SQLTextError

__all__ = ["RULES", "Column", "Constraint", "CreateTableError", "Table", "parse"]


@lru_cache(maxsize=256)
def parse(text: str) -> Table:
    """Read *text*, one CREATE TABLE statement as ``sqlite_master`` holds it.

    What was read lately is kept: between two changes of a table its text is asked for often.

    :raises CreateTableError: if it is anything else, with the place where reading stopped.
    """
    try:
        return Reader(text).table()
    except SQLTextError as error:
        line = " ".join(text.split())
        raise CreateTableError(f"This CREATE TABLE statement {error}: {line}") from error
