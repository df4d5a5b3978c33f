"""Slices of an area reduced to one number each: the series of a polygon."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.errors import InvalidInput
from prismcube.model.cube import OutputField, Slice, SliceStatus
from prismcube.model.formats import DataFormat


def _percentile(percent: int, values: npt.NDArray[Any]) -> float:
    """Linear between the two nearest values, as numpy and spreadsheets have it."""
    return float(np.percentile(values.astype(np.float64), percent))


REDUCERS: dict[str, Callable[[npt.NDArray[Any]], float]] = {
    "mean": lambda values: float(values.mean(dtype=np.float64)),
    "median": lambda values: float(np.median(values.astype(np.float64))),
    "min": lambda values: float(values.min()),
    "max": lambda values: float(values.max()),
    "count": lambda values: float(values.size),
    "std": lambda values: float(values.std(dtype=np.float64)),
    **{f"p{percent}": partial(_percentile, percent) for percent in (5, 10, 25, 75, 90, 95)},
}
"""Every reducer by name; each takes the valid values of one field and step, at least one of them.

`std` is that of all the pixels, not an estimate from a sample of them.
"""


def check_reducers(names: Sequence[str]) -> None:
    """Raises InvalidInput("reducer", ...) for a name that is not in `REDUCERS`, or named twice."""
    for name in names:
        if name not in REDUCERS:
            raise InvalidInput("reducer", f"{name[:40]!r} is not one of {', '.join(REDUCERS)}")
    if len(set(names)) != len(names):
        raise InvalidInput("reducer", "names must be distinct")


@dataclass(frozen=True)
class ReducedField:
    """One column of an area's series."""

    field: OutputField
    values: npt.NDArray[np.float64]
    """A number a time step."""
    valid: npt.NDArray[np.bool_]
    """False where the step has no valid pixel inside (its count is 0) or could not be read (its count is unknown)."""


def reduce_slices(
    fields: Sequence[OutputField], slices: Iterable[Slice], inside: npt.NDArray[np.bool_], reducers: Sequence[str]
) -> list[ReducedField]:
    """A column for each (field, reducer), named `<field>_<reducer>`; `inside` is True for the area's pixels."""
    rows = [_row(one, inside, reducers) for one in slices]
    described = [_described(field, name) for field in fields for name in reducers]
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in described]
    return [
        ReducedField(
            field,
            np.array([0.0 if v is None else v for v in column], dtype=np.float64),
            np.array([v is not None for v in column], dtype=bool),
        )
        for field, column in zip(described, columns, strict=True)
    ]


def _row(one: Slice, inside: npt.NDArray[np.bool_], reducers: Sequence[str]) -> list[float | None]:
    if one.status is SliceStatus.FAILED:
        return [None] * (len(one.data) * len(reducers))
    row: list[float | None] = []
    for data, valid in zip(one.data, one.valid, strict=True):
        values = data[valid & inside]
        row += [REDUCERS[name](values) if values.size else (0.0 if name == "count" else None) for name in reducers]
    return row


def _described(field: OutputField, reducer: str) -> OutputField:
    if reducer == "count":
        return OutputField(f"{field.name}_count", DataFormat(dtype="uint32"), "", f"valid pixels of {field.name}")
    text = f"{reducer} of {field.description or field.name}"
    return OutputField(f"{field.name}_{reducer}", DataFormat(dtype="float64", nodata=float("nan")), field.unit, text)
