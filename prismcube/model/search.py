"""Text that collections are found by, and the terms that look for it. Pure.

Both are written the same way before they are compared: composed, without case, one blank for any run of white space.
So a term is found when the text holds it, whatever the database.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from prismcube.errors import InvalidInput
from prismcube.model.text import check_text

MOST_TERMS = 20
"""Of one search."""


def plain(text: str) -> str:
    """The text as searches see it."""
    folded = unicodedata.normalize("NFC", text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


def searched(texts: Iterable[str]) -> str:
    """What is searched of several texts; no term spans two of them."""
    return "\n".join(filter(None, map(plain, texts)))


def parse_terms(text: str) -> tuple[str, ...]:
    """Terms of `q`, any of which may be found: separated by commas, the words of each in their order.

    (OGC 20-004r1, 7.4.4.) Raises InvalidInput("q", ...).
    """
    check_text("q", text)
    terms = tuple(dict.fromkeys(plain(part) for part in text.split(",")))
    if not all(terms):
        raise InvalidInput("q", f"must be terms separated by commas, got {text[:80]!r}")
    if len(terms) > MOST_TERMS:
        raise InvalidInput("q", f"has {len(terms)} terms, at most {MOST_TERMS} are allowed")
    return terms
