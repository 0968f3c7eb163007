"""What an application's statements do in a database, and what its views answer."""

import re
import sqlite3

from .model import Database, uses
from .reader import rows

QUESTIONS = (
    "INSERT INTO {book} ({id}, {title}, {isbn}, {pages}) VALUES (50, 'Emil', 'e5', 5)",
    "INSERT INTO {book} ({title}, {author_id}, {note}) VALUES ('no id', 2, 'n')",
    "INSERT INTO {book} ({id}, {title}, {isbn}) VALUES (51, 'isbn twice', 'A1')",
    "INSERT INTO {book} ({id}, {title}, {isbn}) VALUES (52, 'isbn twice', 'a1')",
    "INSERT INTO {book} ({id}, {title}) VALUES (7, 'id twice')",
    "INSERT INTO {book} ({id}, {title}) VALUES (53, NULL)",
    "INSERT INTO {book} ({id}, {title}, {pages}) VALUES (54, 'no pages', -5)",
    "INSERT INTO {book} ({id}, {title}, {price}) VALUES (55, 'no price', NULL)",
    "INSERT INTO {book} ({id}, {title}, {author_id}) VALUES (56, 'orphan', 99)",
    "UPDATE {book} SET {price} = {price} + 1 WHERE {title} = 'DUNE' OR {title} = 'Emma'",
    "UPDATE {book} SET {note} = 'new', {isbn} = 'b2' WHERE {id} = 2",
    "UPDATE {author} SET {aid} = 30 WHERE {aid} = 3",
    "DELETE FROM {author} WHERE {aid} = 1",
    "DELETE FROM {book} WHERE {id} = 7",
    "DELETE FROM {book} WHERE {title} = 'Dune'",
)


def answers(connection: sqlite3.Connection, database: Database) -> dict[str, object]:
    """Let the application insert, update, delete and look; return what came of each."""
    found: dict[str, object] = {}
    there = {"book", "author", "aid", *database.book.columns}
    for question in QUESTIONS:
        if uses(question) <= there:
            found[question] = _answer(connection, database.text(question))
    for view, template in database.around.items():
        if "VIEW" in template:
            name = template.split()[2]
            seen = connection.execute(f"SELECT * FROM {name}")
            found[view] = sorted(_timeless(repr(sorted(map(repr, row)))) for row in seen)
    for table, (columns, held) in rows(connection).items():
        found[table] = (columns, sorted(map(_timeless, held)))
    return found


def _timeless(line: str) -> str:
    """Take out what CURRENT_TIMESTAMP gave: two databases are asked one after the other."""
    return re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", "now", line)


def _answer(connection: sqlite3.Connection, statement: str) -> object:
    """Return how many rows the statement changed, or which of SQLite's errors it met."""
    try:
        changed = connection.execute(statement).rowcount
        connection.commit()
        return changed
    except sqlite3.Error as error:
        connection.rollback()
        return error.sqlite_errorname
