"""What a developer said beforehand, or is asked on a terminal."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from .. import hints
from ..errors import MigrationError
from ..run import binds
from ..schema.values import fits
from ..tokens import unquote

#: How several answers of one kind are written in one option.
_SEVERAL = {
    "rename": "user.name:full_name, person:human",
    "fill": "user.crew=0, user.note=''",
    "accept": "drop-column user.crew: unused; drop-table person: moved",
}

#: Asks on a terminal: the question and the answer that Enter gives in, the answer out.
Ask = Callable[..., str]

#: Says what is wrong with an answer; nothing where nothing is.
Wrong = Callable[[str], str]

#: The drops that a rename would answer too.
_RENAMED_INSTEAD = {"drop-column", "drop-table"}

#: How often a question is asked.
_TIMES = 3


@dataclass
class Answers:
    """Renames, values for rows that may be there, and consent; *ask* is None off a terminal.

    Of several databases, an answer is about each that has its subject, or about the one whose name
    stands before it, ``users/tag.color``.

    What stays without an answer is noted: in *unanswered* by its subject, with the options that
    would answer it, one or the other; in *possible_renames* the pairs of which one went and the
    other came.
    """

    rename: dict[str, str] = field(default_factory=dict)
    fill: dict[str, str] = field(default_factory=dict)
    accept: dict[str, str] = field(default_factory=dict)
    ask: Ask | None = None
    unanswered: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    possible_renames: list[tuple[str, str]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    @classmethod
    def parse(
        cls,
        rename: str | Sequence[str] = (),
        fill: str | Sequence[str] = (),
        accept: str | Sequence[str] = (),
        ask: Ask | None = None,
    ) -> "Answers":
        """Read the answers as they were typed, in one option or in several of a name.

        :param rename: ``user.name:full_name, person:user``.
        :param fill: ``user.crew=0, user.note='a, b'``; SQL literals.
        :param accept: ``drop-column user.nickname: unused since 1.4; …``.
        :raises MigrationError: with exit code 2, for a text that is none of these.
        """
        return cls(
            _pairs("rename", rename, ",", ":", "user.name:full_name"),
            _pairs("fill", fill, ",", "=", "user.crew=0"),
            _pairs("accept", accept, ";", ":", "drop-column user.nickname: the reason"),
            ask,
        )

    def renamed(self, old: str, new: str) -> bool:
        """Tell whether *old* was renamed to *new*; ask where it was not said."""
        if (key := self._rename_of(old)) is not None:
            self.used.add(key)
            return self.rename[key] == new
        question = f"Was {old} renamed to {new}? [y/N]"
        return self._asked(question, "n", _not_yes_or_no).lower() in _YES

    def renamed_to(self, old: str) -> str | None:
        """Return the new name that was given *old* beforehand; None without one."""
        key = self._rename_of(old)
        return None if key is None else self.rename[key]

    def _rename_of(self, old: str) -> str | None:
        return next((key for key in (_own(old), old) if key in self.rename), None)

    def note_table_renamed(self, old: str, new: str) -> None:
        """Let what was said of the columns of the table *old* be said of *new*'s."""
        for before, now in ((f"{old}.", f"{new}."), (_own(f"{old}."), _own(f"{new}."))):
            for key in [key for key in self.rename if key.startswith(before)]:
                self.rename[now + key.removeprefix(before)] = self.rename.pop(key)

    def has_consent(self, rule: str, subject: str) -> bool:
        """Tell whether *rule*'s finding about *subject* was accepted beforehand."""
        keys = {rule, f"{rule} {subject}", f"{rule} {_own(subject)}"}
        return not keys.isdisjoint(self.accept)

    def is_accepted(self, rule: str, subject: str) -> bool:
        """Tell whether the loss of *subject* was accepted beforehand, or will be asked about."""
        return self.has_consent(rule, subject) or self.ask is not None

    def value(
        self,
        subject: str,
        question: str = "",
        example: str = "0",
        wrong: Wrong | None = None,
        *,
        type_: Any = None,
        databases: Collection[str] = (),
    ) -> str | None:
        """Return the SQL literal that rows get in *subject*, None without an answer.

        :param question: what is asked, instead of what the rows hold that may be there.
        :param type_: of the column, which is NOT NULL.
        :param databases: the kinds of database that the column is in.
        :param wrong: what is wrong with an answer to that.
        :raises MigrationError: with exit code 2 where that was typed beforehand.
        """
        wrong = wrong or partial(_no_value, subject, type_, databases, example)
        asked = question or (
            f"What do the rows that may be there hold in {subject}? "
            f"(an SQL literal, such as {example})"
        )
        key = _own(subject) if _own(subject) in self.fill else subject
        if key not in self.fill:
            key = _own(subject)
            self.fill[key] = self._asked(asked, "", wrong)
        elif problem := wrong(self.fill[key]):
            raise MigrationError(f"{problem} No migration was written.", exit_code=2)
        if not self.fill[key]:
            del self.fill[key]
            self.unanswered[key] = [("fill", f"{key}={example}")]
            return None
        self.used.add(key)
        return self.fill[key]

    def consent(self, rule: str, subject: str, alone: bool) -> str | None:
        """Return the reason for which *rule*'s finding is accepted, None without one.

        :param alone: whether it is the rule's only finding, so that the short form is clear.
        """
        full_key = f"{rule} {_own(subject)}"
        key = full_key if full_key in self.accept else f"{rule} {subject}"
        # Dropping a default, say, is a question by itself, whatever else is asked of its column.
        is_question = rule.startswith("drop-") and rule not in _RENAMED_INSTEAD
        place = full_key if is_question else _own(subject)
        short = rule if alone and rule in self.accept else None
        if key not in self.accept and short is None:
            key = full_key
            why = self._asked(f"{rule}: {subject}. Why is that right? (Enter for no)", "")
            self.accept[key] = "" if why.lower() in ("n", "no") else why
        reason = self.accept[short or key]
        if not reason:
            del self.accept[key]
            self.unanswered.setdefault(place, [("accept", f"{key}: the reason")])
            return None
        self.unanswered.pop(place, None)
        self.used.add(short or key)
        return reason

    @property
    def has_open_questions(self) -> bool:
        """Tell whether something was asked that has no answer."""
        return bool(self.unanswered or self.possible_renames)

    def check(self, command: str = "", *, is_last: bool = True) -> None:
        """Stop where an answer fits nothing, or a question has no answer.

        :param command: the command to run again, where it is not the one for a new migration.
        :param is_last: whether no other database is asked about, which an answer may fit.
        :raises MigrationError: with exit code 2 for an answer that fits nothing, else 1.
        """
        lines = "\n  ".join(self._lines())
        for name, given in (("rename", self.rename), ("fill", self.fill), ("accept", self.accept)):
            for key in given.keys() - self.used if is_last else ():
                way_on = f"What is asked:\n  {lines}" if lines else "Leave it out, and run again."
                raise MigrationError(
                    f"{hints.option(name, f'{key}…')} answers nothing that changed. No migration "
                    f"was written. {way_on}",
                    2,
                )
        if self.has_open_questions:
            asked = [word for alternatives in self.unanswered.values() for word, _ in alternatives]
            asked += ["rename" for _ in self.possible_renames]
            several = [
                hints.option(word, shown)
                for word, shown in _SEVERAL.items()
                if (asked.count(word) > 1 and hints.is_make())
                or (word == "accept" and self._run_together())
            ]
            together = f"\nSeveral go into one: {', '.join(several)}" if several else ""
            again = f"Run {command} again" if command else "Run again"
            questions = list(self._rename_questions())
            why = f". {' '.join(questions)}" if questions else ", because only you can answer this."
            raise MigrationError(f"No migration was written{why} {again} with\n  {lines}{together}")

    def _rename_questions(self) -> Iterator[str]:
        for old in dict.fromkeys(old for old, _ in self.possible_renames):
            names = [new for former, new in self.possible_renames if former == old]
            yield f"{old} was removed and {' and '.join(names)} was added: is this a rename?"

    def _run_together(self) -> bool:
        """Tell whether an open question is answered inside another one's reason."""
        keys = [
            value.partition(":")[0]
            for alternatives in self.unanswered.values()
            for word, value in alternatives
            if word == "accept"
        ]
        return any(f"{key}:" in reason for key in keys for reason in self.accept.values())

    def _lines(self) -> Iterator[str]:
        """Yield what would answer the open questions, line by line."""
        left = dict(self.unanswered)
        for old in dict.fromkeys(old for old, _ in self.possible_renames):
            names = [new for former, new in self.possible_renames if former == old]
            for number, name in enumerate(names):
                word = "or    " if number else "either"
                new_name = name.rpartition("/")[2].rpartition(".")[2]
                renamed = self._shown(old, f"{old}:{new_name}")
                yield f"{word}  {hints.option('rename', renamed)}"
            subjects = [subject for subject in (old, *names) if subject in self.unanswered]
            yield f"or      {' '.join(self._options(subject) for subject in subjects)}"
            left = {
                subject: options for subject, options in left.items() if subject not in subjects
            }
        before = "        " if self.possible_renames else ""
        yield from (f"{before}{self._options(subject)}" for subject in left)

    def _options(self, subject: str) -> str:
        return " or ".join(
            hints.option(word, self._shown(subject, text))
            for word, text in self.unanswered[subject]
        )

    def _shown(self, subject: str, text: str) -> str:
        """Return an answer about *subject*, without its database where no other is asked of it."""
        if binds.current() is None:
            return text
        asked = {*self.unanswered, *(old for old, _ in self.possible_renames)}
        alike = [key for key in asked if _OF_DATABASE.sub("", key) == _OF_DATABASE.sub("", subject)]
        return text if len(alike) > 1 else _OF_DATABASE.sub("", text, count=1)

    def _asked(self, question: str, otherwise: str, wrong: Wrong = lambda _: "") -> str:
        """Ask, and again where the answer is *wrong*.

        :raises MigrationError: where it is wrong each time.
        """
        problem, answer = "", ""
        question = binds.prefix(binds.current()) + question
        for _ in range(_TIMES if self.ask else 0):
            assert self.ask
            answer = self.ask(f"{problem}\n{question}".lstrip(), otherwise).strip()
            if not (problem := wrong(answer)):
                return answer
        if problem:
            raise MigrationError(f"{problem} No migration was written.", exit_code=2)
        return answer

    def note_possible_rename(self, old: str, new: str) -> None:
        """Note that *old* went and *new*, which looks alike, came, and nobody said what it was."""
        self.possible_renames.append((_own(old), _own(new)))

    def alternatives(self, old: str) -> list[str]:
        """Return what *old* may have been renamed to, of the database in question."""
        prefix, pairs = _own(""), self.possible_renames
        return [new.removeprefix(prefix) for gone, new in pairs if gone == _own(old)]

    def offer_consent(self, rule: str, subject: str, reason: str) -> None:
        """Offer consent as one more answer to what was asked of *subject*."""
        self.unanswered[_own(subject)].append(("accept", f"{rule} {_own(subject)}: {reason}"))


#: What stands before a subject where it is one database's of several.
_OF_DATABASE = re.compile(r"(?:^|(?<= ))[^/ ]+/")


def _own(subject: str) -> str:
    """Return *subject* as that of the database in question alone, where there are several."""
    bind = binds.current()
    return subject if bind is None else f"{binds.name(bind)}/{subject}"


_YES, _NO = ("y", "yes"), ("", "n", "no")


def _not_yes_or_no(answer: str) -> str:
    return "" if answer.lower() in _YES + _NO else f"{answer!r} is neither yes nor no: y or n."


def _no_literal(subject: str, text: str) -> str:
    example = hints.option("fill", f"{subject}='text'")
    return (
        ""
        if _is_literal(text)
        else (
            f"{text!r} is no SQL literal for {subject}: text stands in quotes, 'text' "
            f"({example}); an expression in parentheses."
        )
    )


def _no_value(subject: str, type_: Any, databases: Collection[str], example: str, text: str) -> str:
    """Tell why a NOT NULL column cannot hold a literal; of an expression the rehearsal tells."""
    if problem := _no_literal(subject, text):
        return problem
    again = f"Give it another value, such as {hints.option('fill', f'{subject}={example}')}."
    if text.upper() == "NULL":
        return f"{subject} is NOT NULL, so NULL is no value for its rows. {again}"
    if not _PLAIN.fullmatch(text):
        return ""
    value = unquote(text) if text[0] == "'" else Decimal(text)
    # SQLite keeps what it is given; the value is to be one that the type is for.
    if any(fits(value, type_, kind) for kind in {"postgresql", *databases}):
        return f"{text} is no value of {subject}, whose type is {type_!r}. {again}"
    return ""


#: A text or a number, and nothing else.
_PLAIN = re.compile(r"'(?:[^']|'')*'|[-+]?\d+(?:\.\d*)?")


def _is_literal(text: str) -> bool:
    """Tell whether *text* may be a value in SQL, not words that somebody took for one."""
    flat = re.sub(r"'(?:[^']|'')*'", "0", text)
    while flat != (flat := re.sub(r"\w*\([^()]*\)", "0", flat)):
        pass
    return not text or bool(_LITERAL.fullmatch(flat.strip()))


_LITERAL = re.compile(
    r"([a-z]+ ?)?[-+]?[\d.]+(e[-+]?\d+)?(::[\w ]+(\[\])?)?|true|false|null|(current|local)\w+", re.I
)


def _pairs(
    word: str, texts: str | Sequence[str], between: str, inside: str, example: str
) -> dict[str, str]:
    pairs: dict[str, str] = {}
    # In a reason a quote is an apostrophe.
    parts = [
        part
        for text in ([texts] if isinstance(texts, str) else texts)
        for part in _split(text, between, literals=between == ",")
    ]
    for part in parts:
        name, separator, value = part.partition(inside)
        if not (separator and name.strip() and value.strip()):
            raise MigrationError(
                f"{part.strip()!r} is not understood: say {hints.option(word, example)}.", 2
            )
        if between == "," and any(inside in piece for piece in _split(value, ";")[1:]):
            several = f"between several stands a comma: {hints.option(word, _SEVERAL[word])}"
            raise MigrationError(f"{part.strip()!r} is not understood: {several}.", 2)
        if pairs.setdefault(name.strip(), value.strip()) != value.strip():
            raise MigrationError(f"Two different values for {name.strip()} in --{word}.", 2)
    return pairs


def _split(text: str, between: str, *, literals: bool = True) -> list[str]:
    """Split *text*, but not inside quotes where it holds *literals*."""
    parts, quoted = [""], False
    for character in text:
        quoted ^= literals and character == "'"
        if character == between and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]
