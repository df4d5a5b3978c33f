"""Mosaic rules: how the records of one time step become one picture.

One accumulator a rule: `feed` layers in the order `reverse` asks for, then `result`. A new rule is one class and one
line in `RULES`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from prismcube.errors import InvalidInput
from prismcube.model.formats import DataFormat

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


class Mosaic(ABC):
    """Takes (values, valid) layers of one shape (height, width), gives the mosaic of the same shape."""

    reverse: ClassVar[bool] = False
    """True: wants the layers from the top (last) down, so that it can stop early."""
    kept: ClassVar[int] = 9
    """Bytes a pixel that are kept until the end, at most; the plan's memory estimate counts on it."""
    keeps_layers: ClassVar[bool] = False
    """True: so many of every layer."""

    @abstractmethod
    def feed(self, values: Array, valid: Mask) -> None: ...

    @abstractmethod
    def result(self) -> tuple[Array, Mask]:
        """The mosaic; ValueError before the first `feed`."""

    @property
    def is_done(self) -> bool:
        """True when more layers can't change the result."""
        return False

    @staticmethod
    def format(source: DataFormat) -> DataFormat:
        """In which format the result of a field of format `source` is handed out."""
        return source


class _Picture(Mosaic):
    """Rules whose state is one picture: `_merge` takes each further layer in."""

    def __init__(self) -> None:
        self._values: Array | None = None
        self._valid: Mask | None = None

    def feed(self, values: Array, valid: Mask) -> None:
        if self._values is None or self._valid is None:
            self._values, self._valid = values.copy(), valid.copy()
        else:
            self._values, self._valid = self._merge(self._values, self._valid, values, valid)

    def result(self) -> tuple[Array, Mask]:
        if self._values is None or self._valid is None:
            raise ValueError("nothing was fed")
        return self._values, self._valid

    @abstractmethod
    def _merge(self, values: Array, valid: Mask, new_values: Array, new_valid: Mask) -> tuple[Array, Mask]: ...


class First(_Picture):
    """The first valid pixel."""

    def _merge(self, values: Array, valid: Mask, new_values: Array, new_valid: Mask) -> tuple[Array, Mask]:
        return np.where(valid, values, new_values), valid | new_valid

    @property
    def is_done(self) -> bool:
        return self._valid is not None and bool(self._valid.all())


class Last(First):
    """The last valid pixel: the top layer wins."""

    reverse = True


class _Extreme(_Picture):
    _choose: ClassVar[np.ufunc]

    def _merge(self, values: Array, valid: Mask, new_values: Array, new_valid: Mask) -> tuple[Array, Mask]:
        best = np.where(valid & new_valid, self._choose(values, new_values), np.where(valid, values, new_values))
        return best, valid | new_valid


class Minimum(_Extreme):
    """The least valid value."""

    _choose = np.minimum


class Maximum(_Extreme):
    """The greatest valid value."""

    _choose = np.maximum


class Mean(Mosaic):
    """The mean of the valid values, in floating point."""

    kept = 16

    def __init__(self) -> None:
        self._sum: Array | None = None
        self._count: npt.NDArray[np.int64] | None = None

    def feed(self, values: Array, valid: Mask) -> None:
        if self._sum is None or self._count is None:
            self._sum, self._count = np.zeros(values.shape), np.zeros(values.shape, dtype=np.int64)
        np.add(self._sum, values, out=self._sum, where=valid)
        self._count += valid

    def result(self) -> tuple[Array, Mask]:
        if self._sum is None or self._count is None:
            raise ValueError("nothing was fed")
        return self._sum / np.maximum(self._count, 1), self._count > 0

    @staticmethod
    def format(source: DataFormat) -> DataFormat:
        return _as_floating(source)


class Median(Mosaic):
    """The median of the valid values (the mean of the two middle ones), in floating point."""

    kept = 8
    keeps_layers = True

    def __init__(self) -> None:
        self._layers: list[npt.NDArray[np.float64]] = []

    def feed(self, values: Array, valid: Mask) -> None:
        self._layers.append(np.where(valid, values, np.nan).astype(np.float64))

    def result(self) -> tuple[Array, Mask]:
        if not self._layers:
            raise ValueError("nothing was fed")
        # Sorted along time, NaN last: the middle is looked up by each pixel's own count. np.nanmedian does the same
        # pixel by pixel in Python and is some hundred times slower on long series.
        stack = np.stack(self._layers)
        self._layers = [stack]
        stack.sort(axis=0)
        count = np.count_nonzero(~np.isnan(stack), axis=0)
        low, high = np.maximum(count - 1, 0) // 2, count // 2
        high = np.minimum(high, len(stack) - 1)
        pair = np.take_along_axis(stack, np.stack([low, high]), axis=0)
        return np.where(count > 0, (pair[0] + pair[1]) / 2, 0.0), count > 0

    @staticmethod
    def format(source: DataFormat) -> DataFormat:
        return _as_floating(source)


class Count(Mosaic):
    """How many valid values there are; 0 is a valid answer."""

    kept = 2

    def __init__(self) -> None:
        self._count: npt.NDArray[np.uint16] | None = None

    def feed(self, values: Array, valid: Mask) -> None:
        if self._count is None:
            self._count = np.zeros(values.shape, dtype=np.uint16)
        self._count += valid

    def result(self) -> tuple[Array, Mask]:
        if self._count is None:
            raise ValueError("nothing was fed")
        return self._count, np.ones(self._count.shape, dtype=bool)

    @staticmethod
    def format(source: DataFormat) -> DataFormat:
        return DataFormat(dtype="uint16")


RULES: dict[str, type[Mosaic]] = {
    "first": First,
    "last": Last,
    "min": Minimum,
    "max": Maximum,
    "mean": Mean,
    "median": Median,
    "count": Count,
}
"""Every mosaic rule by the name requests use."""


def mosaic_rule(name: str) -> type[Mosaic]:
    """The rule of that name. Raises InvalidInput("mosaic", ...)."""
    try:
        return RULES[name]
    except KeyError:
        raise InvalidInput("mosaic", f"{name[:40]!r} is not one of {', '.join(RULES)}") from None


def _as_floating(source: DataFormat) -> DataFormat:
    # float32 holds every 16-bit count and its halves exactly; wider types need float64.
    dtype = "float64" if source.dtype in ("float64", "int32", "uint32") else "float32"
    return DataFormat(dtype=dtype, nodata=math.nan, minimum=source.minimum, maximum=source.maximum)
