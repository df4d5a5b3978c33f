"""Texts in documents, with what the domain asks of them (prismcube.model.text) told in the schema.

The schema only tells: the entities check, so that the same holds for whatever else makes them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from prismcube.model.text import LONGEST_NAME, LONGEST_TEXT

_NO_NUL = r"^[^\u0000]*$"
_CONTROL = r"\u0000-\u001f\u007f-\u009f"
_NO_BLANKS_AROUND = rf"^[^\s{_CONTROL}]([^{_CONTROL}]*[^\s{_CONTROL}])?$"

Text = Annotated[str, Field(json_schema_extra={"pattern": _NO_NUL, "maxLength": LONGEST_TEXT})]
Word = Annotated[str, Field(json_schema_extra={"pattern": _NO_NUL, "maxLength": LONGEST_NAME})]
Name = Annotated[str, Field(json_schema_extra={"pattern": _NO_BLANKS_AROUND, "maxLength": LONGEST_NAME})]
"""Without control characters, and without blanks around it."""
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Tags = Annotated[dict[str, Text], Field(description="Texts by key.")]
