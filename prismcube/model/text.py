"""Rules for text that the catalogue keeps."""

from __future__ import annotations

import unicodedata

from prismcube.errors import InvalidInput

LONGEST_NAME = 200
"""Characters of the name of an entity; also what an index of PostgreSQL can hold of any script."""

LONGEST_TEXT = 16_384
"""Characters of a record's name, of a tag's key or value, and of a description."""


def check_text(parameter: str, text: str, *, longest: int = LONGEST_TEXT) -> None:
    """Refuse what no database can keep as text: NUL, halves of surrogate pairs, too much of it.

    Raises InvalidInput(parameter, ...).
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(parameter, f"{text[:60]!r} is not valid Unicode") from error
    if "\0" in text:
        raise InvalidInput(parameter, f"{text[:60]!r} holds a NUL character")
    if len(text) > longest:
        raise InvalidInput(parameter, f"has {len(text):,} characters, at most {longest:,} are allowed")


def check_name(parameter: str, name: str) -> None:
    """Refuse what can't name an entity: nothing, control characters, blanks at either end, more than 200 characters.

    Raises InvalidInput(parameter, ...).
    """
    check_text(parameter, name, longest=LONGEST_NAME)
    if not name or name != name.strip() or any(unicodedata.category(character) == "Cc" for character in name):
        raise InvalidInput(parameter, f"{name!r} must be text without control characters or blanks around it")
