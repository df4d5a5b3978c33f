"""What several processes do or have alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prismcube.errors import Conflict
from prismcube.model.formats import DTYPES
from prismcube.model.work import Work
from processes.tools import Tools

JSON = Mapping[str, Any]

COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
"""Schema of a number of things."""

NUMBER: dict[str, Any] = {"type": "number"}

FORMAT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "dtype": {"enum": list(DTYPES)},
        "nodata": {"oneOf": [NUMBER, {"const": "nan"}]},
        "minimum": NUMBER,
        "maximum": NUMBER,
    },
    "required": ["dtype"],
    "additionalProperties": False,
}
"""Schema of the stored numbers: type, nodata, range."""


def text(most: int) -> dict[str, Any]:
    """Schema of a text of at most so many characters."""
    return {"type": "string", "minLength": 1, "maxLength": most}


def prepared_of(work: Work) -> JSON:
    """What the stage `prepare` has returned; empty when it has not ended well."""
    return next(iter(work.previous("prepare")), {})


def check_unlocked(tools: Tools, ids: Iterable[int]) -> None:
    """Raises Conflict for a dataset that a job has locked, naming both."""
    for id, job in tools.catalogue.datasets.locks(ids).items():
        raise Conflict("dataset", id, f"is locked by job {job!r}")
