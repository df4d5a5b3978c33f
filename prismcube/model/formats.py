"""Data formats and value mappings: what a stored number means.

Semantics of the original Geocube (`internal/geocube/dataformat.go`): a dataset stores *internal* values in
[imin, imax]; they stand for *external* values in [emin, emax] through

    external = emin + (emax - emin) * ((v - imin) / (imax - imin)) ** exponent

and the variable says in which type external values are handed out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.errors import InvalidInput

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
"""Number types a raster may have. Complex types come with the entities of SAR products."""

_SIZES = {name: np.dtype(name).itemsize for name in DTYPES}


@dataclass(frozen=True, kw_only=True)
class DataFormat:
    """The type of a number and the value that stands for "nothing here"."""

    dtype: str
    """One of `DTYPES`."""
    nodata: float | None = None
    """Value of empty pixels; None: every value is valid. Floating types always treat NaN as empty as well."""
    minimum: float | None = None
    """Least external value that is expected; for display and checks, values are never cut at it."""
    maximum: float | None = None
    """Greatest external value that is expected; see `minimum`."""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise InvalidInput("dtype", f"{self.dtype!r} is not one of {', '.join(DTYPES)}")
        if self.nodata is not None and not self.is_floating:
            info = np.iinfo(self.dtype)
            if math.isnan(self.nodata):
                object.__setattr__(self, "nodata", None)  # as Geocube: NaN on an integer type means none
            elif not info.min <= self.nodata <= info.max or self.nodata != int(self.nodata):
                raise InvalidInput("nodata", f"{self.nodata} is not a value of {self.dtype}")
        for name in ("minimum", "maximum"):
            limit = getattr(self, name)
            if limit is not None and not math.isfinite(limit):
                raise InvalidInput(name, f"must be a finite number, got {limit}")
        if self.minimum is not None and self.maximum is not None and not self.minimum < self.maximum:
            raise InvalidInput("minimum", f"must be less than maximum, got {self.minimum} >= {self.maximum}")

    @property
    def is_floating(self) -> bool:
        return self.dtype.startswith("float")

    @property
    def itemsize(self) -> int:
        """Bytes a value."""
        return _SIZES[self.dtype]

    def stores_like(self, other: DataFormat) -> bool:
        """True when both write the same bytes: same type, same nodata (NaN equals NaN here)."""
        return self.dtype == other.dtype and (
            self.nodata == other.nodata or (repr(self.nodata) == repr(other.nodata) == "nan")
        )

    def valid(self, data: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """True where a value of this format is not empty; same shape as `data`."""
        valid = ~np.isnan(data) if np.issubdtype(data.dtype, np.floating) else np.ones(data.shape, dtype=bool)
        if self.nodata is not None and not math.isnan(self.nodata):
            valid &= data != self.nodata
        return valid


@dataclass(frozen=True, kw_only=True)
class ValueMapping:
    """How internal (stored) values stand for external (real) ones. The default is the identity."""

    imin: float = 0.0
    imax: float = 1.0
    emin: float = 0.0
    emax: float = 1.0
    exponent: float = 1.0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.imin, self.imax, self.emin, self.emax))):
            raise InvalidInput("imin", "limits must be finite numbers")
        if not self.imin < self.imax:
            raise InvalidInput("imin", f"must be less than imax, got {self.imin} >= {self.imax}")
        if not self.emin < self.emax:
            raise InvalidInput("emin", f"must be less than emax, got {self.emin} >= {self.emax}")
        if not (math.isfinite(self.exponent) and self.exponent > 0):
            raise InvalidInput("exponent", f"must be a positive number, got {self.exponent}")

    @property
    def is_identity(self) -> bool:
        return self.exponent == 1 and self.imin == self.emin and self.imax == self.emax

    def external(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Real values of stored ones, float64; powers keep the sign, nothing is clipped."""
        v = values.astype(np.float64)
        if self.is_identity:
            return v
        return self.emin + (self.emax - self.emin) * _signed_power(
            (v - self.imin) / (self.imax - self.imin), self.exponent
        )

    def internal(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Stored values of real ones, float64 and unrounded: the inverse of `external`."""
        v = values.astype(np.float64)
        if self.is_identity:
            return v
        unit = _signed_power((v - self.emin) / (self.emax - self.emin), 1 / self.exponent)
        return self.imin + (self.imax - self.imin) * unit


def _signed_power(unit: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    return unit if exponent == 1 else np.copysign(np.abs(unit) ** exponent, unit)


def cast(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], to: DataFormat) -> npt.NDArray[Any]:
    """Values in the type of `to`: rounded to nearest (halves away from zero, as GDAL), clamped to the type.

    Empty pixels get `to.nodata` (NaN for floating types without one, else 0). A valid value that would become
    nodata moves to the nearest other count, so validity survives the cast.

    `values` and `valid` have the same shape, as has the result.
    """
    target = np.dtype(to.dtype)
    fill: float = to.nodata if to.nodata is not None else (math.nan if to.is_floating else 0)
    if values.dtype == target:
        result = values.copy()
    elif to.is_floating:
        info = np.finfo(target)
        result = np.clip(values, info.min, info.max).astype(target)
    else:
        limits = np.iinfo(target)
        real = np.where(valid, values, 0)
        if real.dtype == np.float32:  # its largest numbers below the limits of 32-bit integers lie beyond them
            real = real.astype(np.float64)
        if np.issubdtype(values.dtype, np.floating):
            real = np.copysign(np.floor(np.abs(real) + 0.5), real)
        result = np.clip(real, limits.min, limits.max).astype(target)
    if to.nodata is not None and not math.isnan(to.nodata):
        collides = valid & (result == target.type(to.nodata))
        if collides.any():
            result[collides] = _beside(values[collides], to.nodata, target)
    result[~valid] = target.type(fill)
    return result


def _beside(values: npt.NDArray[Any], nodata: float, target: np.dtype[Any]) -> npt.NDArray[Any]:
    """The nearest count on the value's own side of nodata (upwards when it is equal)."""
    if np.issubdtype(target, np.floating):
        below = np.nextafter(target.type(nodata), target.type(-np.inf))
        above = np.nextafter(target.type(nodata), target.type(np.inf))
        lowest, highest = np.finfo(target).min, np.finfo(target).max
    else:
        lowest, highest = np.iinfo(target).min, np.iinfo(target).max
        below, above = target.type(max(nodata - 1, lowest)), target.type(min(nodata + 1, highest))
    if nodata <= lowest:
        return np.full(values.shape, above, dtype=target)
    if nodata >= highest:
        return np.full(values.shape, below, dtype=target)
    return np.asarray(np.where(values < nodata, below, above), dtype=target)
