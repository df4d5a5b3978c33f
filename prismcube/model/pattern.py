"""Patterns that names and tags are searched by: `S2?_*`, `*cloud*(?i)`, `100\\%`.

`*` stands for any characters, `?` for exactly one, `\\` takes the meaning of the character after it, and `(?i)` at the
end ignores case, of the letters A to Z only: on those all databases agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

from prismcube.errors import InvalidInput
from prismcube.model.text import check_text

IGNORE_CASE = "(?i)"

LONGEST = 50_000
"""Bytes of a pattern as SQLite gets it; SQLite refuses longer ones."""


class Wildcard(Enum):
    """What a part of a pattern stands for."""

    ANY = "*"
    ONE = "?"


@dataclass(frozen=True)
class Pattern:
    """A pattern; raises InvalidInput("pattern", ...) for one that can't be searched by."""

    text: str
    """As the user wrote it."""
    parts: tuple[str | Wildcard, ...] = field(init=False, repr=False, compare=False)
    """Literal text and wildcards, in turn."""
    ignores_case: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_text("pattern", self.text)
        ignores_case = self.text.endswith(IGNORE_CASE)
        object.__setattr__(self, "ignores_case", ignores_case)
        object.__setattr__(self, "parts", _parts(self.text.removesuffix(IGNORE_CASE) if ignores_case else self.text))
        for_sqlite = self.like if ignores_case else self.glob
        if self.exact is None and len(for_sqlite.encode()) > LONGEST:
            raise InvalidInput("pattern", f"is longer than {LONGEST:,} bytes")

    @classmethod
    def literal(cls, text: str) -> Pattern:
        """The pattern that only this text matches."""
        return cls(re.sub(r"[*?\\]", r"\\\g<0>", text))  # which parts the flag too: its "?" is escaped

    @property
    def exact(self) -> str | None:
        """The only text that matches; None for a pattern that more than one matches."""
        if self.ignores_case or any(isinstance(part, Wildcard) for part in self.parts):
            return None
        return "".join(str(part) for part in self.parts)

    @property
    def prefix(self) -> str:
        """What all texts that match begin with; empty when case does not matter."""
        first = self.parts[0] if self.parts and not self.ignores_case else ""
        return first if isinstance(first, str) else ""

    @property
    def glob(self) -> str:
        """For SQLite's GLOB."""
        return "".join(
            part.value if isinstance(part, Wildcard) else re.sub(r"[*?\[]", r"[\g<0>]", part) for part in self.parts
        )

    @property
    def like(self) -> str:
        r"""For LIKE with the escape character `\`; A to Z in lower case when case does not matter."""
        sign = {Wildcard.ANY: "%", Wildcard.ONE: "_"}
        text = "".join(
            sign[part] if isinstance(part, Wildcard) else re.sub(r"[%_\\]", r"\\\g<0>", part) for part in self.parts
        )
        return ascii_lower(text) if self.ignores_case else text

    def matches(self, text: str) -> bool:
        """True when the whole text fits."""
        return _regex(self.parts, ignores_case=self.ignores_case).fullmatch(text) is not None


@lru_cache(maxsize=64)  # a collection's pattern is asked of every record that is written
def _regex(parts: tuple[str | Wildcard, ...], *, ignores_case: bool) -> re.Pattern[str]:
    pieces = [""]  # between the stars
    for part in parts:
        if part is Wildcard.ANY:
            pieces.append("")
        else:
            pieces[-1] += "." if part is Wildcard.ONE else re.escape(str(part))
    first, *middle = pieces
    last = middle.pop() if middle else None
    # Of what stands between two stars, the first place that fits is as good as any: never look for another one,
    # or a pattern of many stars takes longer than anybody lives.
    source = first + "".join(f"(?>.*?{piece})" for piece in middle) + ("" if last is None else f".*{last}")
    return re.compile(source, re.DOTALL | re.ASCII | (re.IGNORECASE if ignores_case else re.NOFLAG))


def ascii_lower(text: str) -> str:
    """With A to Z in lower case; other letters stay."""
    return re.sub("[A-Z]+", lambda found: found[0].lower(), text)


def _parts(text: str) -> tuple[str | Wildcard, ...]:
    parts: list[str | Wildcard] = []
    literal = ""
    characters = iter(text)
    for given in characters:
        character = given
        if character in ("*", "?"):
            if literal:
                parts.append(literal)
                literal = ""
            if not (character == "*" and parts and parts[-1] is Wildcard.ANY):  # two in a row say no more than one
                parts.append(Wildcard(character))
            continue
        if character == "\\":
            character = next(characters, "")
            if not character:
                raise InvalidInput("pattern", "ends in a lone backslash; write \\\\ for one")
        literal += character
    return (*parts, literal) if literal else tuple(parts)
