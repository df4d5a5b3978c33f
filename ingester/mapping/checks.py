"""Collecting what is wrong with a mapping: every mistake, by its dotted name, before any is reported."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from ingester.mapping.documents import Name
from ingester.mapping.rules import PLACEHOLDER, instant
from prismcube.errors import InvalidInput
from prismcube.model.entities import Variable

_NAME: TypeAdapter[str] = TypeAdapter(Name)


class Checks:
    """Mistakes found so far, the variables that are known, and what every part of a mapping checks alike."""

    def __init__(self) -> None:
        self.mistakes: list[tuple[str, str]] = []
        self.variables: dict[str, Variable | None] = {}
        """None for one that has a mistake of its own."""

    def wrong(self, where: str, reason: str) -> None:
        self.mistakes.append((where, reason))

    def is_name(self, name: Any, where: str, reason: str = "must be letters, digits and _ . ~ -") -> bool:
        try:
            _NAME.validate_python(name, strict=True)
        except ValidationError:
            self.wrong(where, f"{reason}, got {name!r}")
            return False
        return True

    def block[B: BaseModel](self, kind: type[B], value: Any, where: str) -> B | None:
        """The value as a block of that kind."""
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                place = ".".join([where, *(str(part) for part in one["loc"] if part != "[key]")])
                self.wrong(place, one["msg"].removeprefix("Value error, "))
        return None

    def instance(self, where: str, key: str) -> Variable | None:
        """The variable of `variable/instance`."""
        name, _, instance = key.partition("/")
        if not self.is_name(instance, where, "must be written variable/instance"):
            return None
        if name not in self.variables:
            self.wrong(where, f"no variable {name!r}; there are {', '.join(map(str, self.variables)) or 'none'}")
        return self.variables.get(name)

    def pattern(self, where: str, text: str) -> re.Pattern[str] | None:
        try:
            return re.compile(text)
        except re.error as error:
            self.wrong(where, f"is not a regular expression: {error}")
            return None

    def template(self, where: str, text: str, groups: Iterable[str], *, properties: bool = False) -> None:
        """Check that each `{name}` of a template is a group of the pattern, or with `properties` one of an item."""
        known = list(groups)
        for name in PLACEHOLDER.findall(text):
            if name not in known and not (properties and name.startswith("properties.")):
                kinds = [*known, "properties.<name>"] if properties else known
                self.wrong(where, f"{{{name}}} is not a group of the pattern (it has: {', '.join(kinds) or 'none'})")
        if re.search(r"[{}]", PLACEHOLDER.sub("", text)):
            self.wrong(where, "has a brace that is not part of a {group}")

    def time(self, where: str, text: str) -> None:
        """Check a time that has nothing to fill in."""
        if not PLACEHOLDER.search(text):
            try:
                instant(text)
            except InvalidInput as error:
                self.wrong(where, error.reason)
