"""Column types: the same on every database, whatever it can store itself.

On PostGIS they become timestamptz, jsonb and geometry(4326); nothing outside this file and `spatial.py` will notice.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import shapely
from affine import Affine
from shapely.geometry.base import BaseGeometry
from sqlalchemy import BigInteger, Dialect, LargeBinary, Text
from sqlalchemy.types import TypeDecorator

from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.period import utc

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def canonical(value: Any) -> str:
    """JSON with sorted keys and without spaces: equal values are equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class UTCDateTime(TypeDecorator[datetime]):
    """An aware instant in UTC, stored as whole microseconds since 1970: exact, sortable, eight bytes."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (utc(value) - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Json(TypeDecorator[Any]):
    """A JSON value in canonical text, so that UNIQUE works on it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else canonical(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class Geometry(TypeDecorator[BaseGeometry]):
    """A shapely geometry in longitude and latitude, stored as little-endian WKB."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: BaseGeometry | None, dialect: Dialect) -> bytes | None:
        return None if value is None else shapely.to_wkb(value, byte_order=1)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> BaseGeometry | None:
        return None if value is None else shapely.from_wkb(value)


class FormatType(TypeDecorator[DataFormat]):
    """A DataFormat as canonical JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: DataFormat | None, dialect: Dialect) -> str | None:
        return None if value is None else canonical(format_document(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> DataFormat | None:
        return None if value is None else _format(value)


class MappingType(TypeDecorator[ValueMapping]):
    """A ValueMapping as canonical JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: ValueMapping | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return canonical([value.imin, value.imax, value.emin, value.emax, value.exponent])

    def process_result_value(self, value: str | None, dialect: Dialect) -> ValueMapping | None:
        return None if value is None else _mapping(value)


class GridType(TypeDecorator[Grid]):
    """A Grid as canonical JSON, for grids that no query looks into."""

    impl = Json
    cache_ok = True

    def process_bind_param(self, value: Grid | None, dialect: Dialect) -> Any:
        return None if value is None else value.to_json()

    def process_result_value(self, value: Any, dialect: Dialect) -> Grid | None:
        return None if value is None else Grid.from_json(value)


def format_document(format: DataFormat) -> dict[str, Any]:
    """A format as JSON. Two formats are the same when these are: NaN, which differs from itself, becomes text."""
    return {
        "dtype": format.dtype,
        "nodata": _number(format.nodata),
        "minimum": _number(format.minimum),
        "maximum": _number(format.maximum),
    }


@lru_cache(maxsize=1024)  # an archive has few, its datasets are many
def _format(text: str) -> DataFormat:
    document = json.loads(text)
    numbers = {key: None if document[key] is None else float(document[key]) for key in ("nodata", "minimum", "maximum")}
    return DataFormat(dtype=document["dtype"], **numbers)


@lru_cache(maxsize=1024)
def _mapping(text: str) -> ValueMapping:
    imin, imax, emin, emax, exponent = (float(number) for number in json.loads(text))
    return ValueMapping(imin=imin, imax=imax, emin=emin, emax=emax, exponent=exponent)


def _number(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(value)


def grid_of(crs: str, x0: float, y0: float, dx: float, dy: float, width: int, height: int) -> Grid:
    """A grid from the plain columns of a dataset row; `dy` is positive."""
    return Grid(crs, Affine(dx, 0.0, x0, 0.0, -dy, y0), height, width)
