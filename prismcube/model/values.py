"""Rules for JSON values that the catalogue and the ledger keep."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from prismcube.errors import InvalidInput
from prismcube.model.text import check_text

DEEPEST = 100
"""Levels of a value."""

LARGEST_NUMBER = sys.float_info.max
"""Of those that readers of JSON know."""


def check_value(parameter: str, value: object) -> None:
    """Refuse what can't be kept, or handed on.

    PostgreSQL takes no NUL, in JSON neither; a number beyond all floating ones could be written, and not be read again;
    and values are pickled and written as JSON on their way to tasks, which neither can do at any depth.

    Raises InvalidInput(parameter, ...).
    """
    rest = [(value, 1)]
    while rest:
        one, depth = rest.pop()
        if depth > DEEPEST:
            raise InvalidInput(parameter, f"is nested more than {DEEPEST} levels deep")
        if isinstance(one, str):
            check_text(parameter, one, longest=len(one))
        elif isinstance(one, int | float) and not -LARGEST_NUMBER <= one <= LARGEST_NUMBER:  # nor is NaN between them
            raise InvalidInput(parameter, "has a number that JSON has no place for")
        elif isinstance(one, Mapping):
            rest += [(name, depth) for name in one]
            rest += [(below, depth + 1) for below in one.values()]
        elif isinstance(one, list):
            rest += [(below, depth + 1) for below in one]
