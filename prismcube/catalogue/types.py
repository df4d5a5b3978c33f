"""Column types: the same on every database, whatever it can store itself.

On PostgreSQL instants are timestamptz, JSON is jsonb and geometries are PostGIS's; on SQLite they are whole
microseconds, canonical text and WKB. Nothing outside this file, `spatial.py` and `filters.py` notices.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import geoalchemy2
import orjson
import shapely
from affine import Affine
from shapely.geometry.base import BaseGeometry
from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.types import TypeDecorator, TypeEngine

from prismcube.catalogue.dialects import POSTGRESQL, PerDatabase
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Bounds, Grid
from prismcube.model.period import utc

SRID = 4326
"""Of all stored geometries. Their axes are longitude, latitude, as PostGIS takes them whatever EPSG says."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: Any) -> str:
    """JSON with sorted keys and without spaces: equal values are equal text."""
    return _CANONICAL.encode(value)


Id = BigInteger().with_variant(Integer(), "sqlite")  # INTEGER is what SQLite counts up by itself
"""The id of a row."""

Name = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is compared and sorted by code point, as SQLite and Python do."""


class UTCDateTime(TypeDecorator[datetime]):
    """An aware instant in UTC, to the microsecond; sortable, eight bytes."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(TIMESTAMP(timezone=True) if dialect.name == POSTGRESQL else BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | int | None:
        if value is None or dialect.name == POSTGRESQL:
            return value and utc(value)
        return (utc(value) - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name == POSTGRESQL:
            return value and utc(value)
        return _EPOCH + timedelta(microseconds=value)


class Json(TypeDecorator[Any]):
    """A JSON value; on SQLite in canonical text, so that equal values are equal."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(JSONB(none_as_null=True) if dialect.name == POSTGRESQL else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == POSTGRESQL else canonical(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == POSTGRESQL else orjson.loads(value)


class Geometry(TypeDecorator[BaseGeometry]):
    """A shapely geometry in longitude and latitude: PostGIS's own type, elsewhere little-endian WKB."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(_PostGIS() if dialect.name == POSTGRESQL else LargeBinary())

    def process_bind_param(self, value: BaseGeometry | None, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        if dialect.name == POSTGRESQL:
            return shapely.to_wkb(shapely.set_srid(value, SRID), byte_order=1, include_srid=True)
        return shapely.to_wkb(value, byte_order=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> BaseGeometry | None:
        return None if value is None else _geometry(bytes(value))


class _FromEWKB(PerDatabase):
    # Not ST_GeomFromEWKB, which GeoAlchemy writes with an SRID that PostGIS's own does not take.
    type = geoalchemy2.Geometry("GEOMETRY", SRID)
    sqlite = "{0}"
    postgresql = "{0}::bytea::geometry"


class _PostGIS(geoalchemy2.Geometry):
    """PostGIS's geometry, sent and read as bytes of (E)WKB, without GeoAlchemy's own elements in between."""

    as_binary = "ST_AsBinary"
    cache_ok = True

    def __init__(self) -> None:
        super().__init__("GEOMETRY", SRID, spatial_index=False)  # indexes are named in `tables.py`

    def bind_expression(self, bindvalue: Any) -> Any:
        return _FromEWKB(bindvalue)

    def bind_processor(self, dialect: Dialect) -> None:
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        return None


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
        numbers = (value.imin, value.imax, value.emin, value.emax, value.exponent)
        return canonical([float(number) for number in numbers])  # 1 and 1.0 are the same mapping

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


@lru_cache(maxsize=1024)  # the dates of one place share theirs
def _geometry(wkb: bytes) -> BaseGeometry:
    return shapely.from_wkb(wkb)


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
    if value is None:
        return None
    return float(value) if math.isfinite(value) else str(value)  # 0 and 0.0 are the same format


@lru_cache(maxsize=4096)
def grid_of(crs: str, x0: float, y0: float, dx: float, dy: float, width: int, height: int) -> Grid:
    """A grid from the plain columns of a dataset row; `dy` is positive."""
    return Grid(crs, Affine(dx, 0.0, x0, 0.0, -dy, y0), height, width)


@lru_cache(maxsize=4096)
def place_of(
    crs: str, x0: float, y0: float, dx: float, dy: float, width: int, height: int,
    left: float, bottom: float, right: float, top: float,
) -> tuple[Grid, Bounds | None]:  # fmt: skip
    """The grid of a dataset row, and the part of it beyond which are no data; None for all of it."""
    grid, part = grid_of(crs, x0, y0, dx, dy, width, height), Bounds(left, bottom, right, top)
    return grid, None if part == grid.bounds else part
