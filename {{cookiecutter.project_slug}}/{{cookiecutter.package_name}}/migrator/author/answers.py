"""What a developer said beforehand, or can be asked on a terminal."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .. import MigratorError

#: Asks on a terminal: the question and the default answer in, the answer out.
Ask = Callable[..., str]


@dataclass
class Answers:
    """Renames, values for rows that may be there, and consent; *ask* is None off a terminal."""

    rename: dict[str, str] = field(default_factory=dict)
    fill: dict[str, str] = field(default_factory=dict)
    accept: dict[str, str] = field(default_factory=dict)
    ask: Ask | None = None

    @classmethod
    def parse(
        cls,
        rename: str | None = None,
        fill: str | None = None,
        accept: str | None = None,
        ask: Ask | None = None,
    ) -> "Answers":
        """Read the answers as they were typed.

        :param rename: ``user.name:full_name, person:user``.
        :param fill: ``user.crew=0, user.note='a, b'``; SQL literals.
        :param accept: ``drop-column user.nickname: unused since 1.4; …``.
        :raises MigratorError: with exit code 2, for a text that is none of these.
        """
        return cls(
            _pairs(rename, ",", ":", 'rename="user.name:full_name"'),
            _pairs(fill, ",", "=", 'fill="user.crew=0"'),
            _pairs(accept, ";", ":", 'accept="drop-column user.nickname: the reason"'),
            ask,
        )


def _pairs(text: str | None, between: str, inside: str, example: str) -> dict[str, str]:
    pairs = {}
    for part in _split(text or "", between):
        name, found, value = part.partition(inside)
        if not (found and name.strip() and value.strip()):
            raise MigratorError(f"{part.strip()!r} is not understood: say {example}.", 2)
        pairs[name.strip()] = value.strip()
    return pairs


def _split(text: str, between: str) -> list[str]:
    """Split *text*, but not inside quotes."""
    parts, quoted = [""], False
    for character in text:
        quoted ^= character == "'"
        if character == between and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]
