"""How a value is taken, one that does not fit, and the words for it."""

from collections.abc import Callable
from typing import Any

#: A value of SQLite → one for the server's driver; raises Misfit.
Take = Callable[[Any], Any]
#: What is made for a type: how its values are taken, and what else a field of it has.
Made = tuple[Take, dict[str, Any]]


class Misfit(ValueError):
    """A value that a column cannot hold; *near* is what it could hold instead, if anything."""

    def __init__(self, reason: str, near: Any = None) -> None:
        super().__init__(reason)
        self.near = near


def is_text(value: Any) -> str:
    if value.__class__ is not str:
        raise Misfit(f"is {word(value)}, not a text")
    return str(value)


def word(value: Any) -> str:
    words: dict[Any, str] = {int: "a number", float: "a number", str: "a text", bytes: "bytes"}
    return words.get(value.__class__, "something else")


def parsed(what: str, parse: Callable[[str], Any], value: Any) -> Any:
    try:
        return parse(is_text(value))
    except Misfit:
        raise Misfit(f"is {word(value)}, not a {what}") from None
    except ValueError:
        raise Misfit(f"is not a {what}") from None
