"""What comes out of the pixel engine: a header, then one slice a time step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid


class SliceStatus(StrEnum):
    """How the reading of one time step ended."""

    OK = "ok"  # at least one valid pixel
    EMPTY = "empty"  # read without trouble, but no pixel is valid
    PARTIAL = "partial"  # some of its records could not be read; made of the others
    FAILED = "failed"  # none of its records could be read; the step is empty


@dataclass(frozen=True)
class OutputField:
    """A field as it is handed out."""

    name: str
    format: DataFormat
    unit: str = ""
    description: str = ""
    resampling: str = "nearest"
    """How the field may be resampled further: `nearest` and `mode` for classes and flags, another for measures."""


@dataclass(frozen=True)
class Step:
    """One place on the time axis."""

    start: datetime
    """Earliest acquisition; the coordinate."""
    end: datetime
    records: tuple[str, ...]
    """Names of the records, in mosaic order."""


@dataclass(frozen=True)
class CubeHeader:
    """Everything about a cube but its pixels."""

    grid: Grid
    fields: tuple[OutputField, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Slice:
    """The pixels of one time step, or some rows of it."""

    index: int
    """Position in `CubeHeader.steps`."""
    data: tuple[npt.NDArray[Any], ...]
    """One (height, width) array a field, in the field's own type; empty pixels hold its nodata."""
    valid: tuple[npt.NDArray[np.bool_], ...]
    """One (height, width) array a field; True where the pixel counts."""
    status: SliceStatus = SliceStatus.OK
    message: str = ""
    """Why a step is partial or failed; empty otherwise."""
    row: int = 0
    """Of the cube's grid, in which `data` begin; where a step comes in pieces, they come from north to south."""


def together(ends: Sequence[tuple[SliceStatus, str]]) -> tuple[SliceStatus, str]:
    """How a slice ended whose pieces ended so."""
    states = {status for status, _ in ends}
    messages = "; ".join(dict.fromkeys(message for _, message in ends if message))
    if states == {SliceStatus.FAILED}:
        return SliceStatus.FAILED, messages
    if states & {SliceStatus.FAILED, SliceStatus.PARTIAL}:
        return SliceStatus.PARTIAL, messages
    return (SliceStatus.OK if SliceStatus.OK in states else SliceStatus.EMPTY), messages


class Ends:
    """How the steps of a cube have ended, told piece by piece."""

    def __init__(self, steps: int) -> None:
        self._found: list[list[tuple[SliceStatus, str]]] = [[] for _ in range(steps)]

    def add(self, one: Slice) -> None:
        self._found[one.index].append((one.status, one.message))

    def of_steps(self) -> list[tuple[SliceStatus, str]]:
        """(status, message) of each step, in order."""
        return [together(found) for found in self._found]


def common_format(fields: Sequence[OutputField]) -> DataFormat:
    """One format that holds all of `fields` without loss, for files with a single number type and nodata.

    Fields of one type and nodata keep them. Otherwise floats with NaN: float32 where it holds every integer exactly
    (8 and 16 bits), float64 where it doesn't.
    """
    first = fields[0].format
    if all(f.format.stores_like(first) for f in fields):
        return DataFormat(dtype=first.dtype, nodata=first.nodata)
    wide = any(f.format.dtype in ("float64", "int32", "uint32") for f in fields)
    return DataFormat(dtype="float64" if wide else "float32", nodata=float("nan"))
