"""Cubes in the terms of the CF conventions 1.10: which variables a file has, and what each says of itself.

NetCDF and Zarr files hold the same variables; their encoders write what this module describes.

    time(time) · latitude(latitude), longitude(longitude) or y(y), x(x) · spatial_ref() · records(time)
    <field>(time, y, x) ...                          pixels, a slice at a time
    status(time) · status_message(time)              once all slices have passed
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from pyproj.exceptions import CRSError

from prismcube.model.cube import CubeHeader, OutputField, SliceStatus, Step
from prismcube.model.formats import DataFormat, cast
from prismcube.model.grid import Grid, parse_crs
from prismcube.model.series import Series

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_GREGORIAN = datetime(1582, 10, 15, tzinfo=UTC)
"""CF's `standard` calendar is Julian before (4.4.1)."""

_SECOND = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)

TEXT = np.dtypes.StringDType()
"""The type of variables that hold text; each format has its own way to write it."""

Attributes = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One variable of a file."""

    name: str
    dimensions: tuple[str, ...]
    """Names, the slowest first; none for a scalar."""
    attributes: Attributes
    values: npt.NDArray[Any]
    """Shaped as the dimensions; text as `TEXT`."""
    fill: np.generic | None = None
    """`_FillValue`; None where every value counts."""


@dataclass(frozen=True, kw_only=True)
class FieldVariable:
    """The variable of a field; its pixels come with the slices."""

    name: str
    dimensions: tuple[str, ...]
    attributes: Attributes
    field: OutputField

    @property
    def fill(self) -> np.generic | None:
        return fill_value(self.field.format)


@dataclass(frozen=True)
class Names:
    """What the variables beside the fields are called."""

    time: str
    bounds: str
    ends: str
    """The dimension of `bounds`: begin, end."""
    y: str
    x: str
    crs: str
    records: str
    status: str
    message: str
    station: str

    @classmethod
    def of(cls, crs: str, fields: Sequence[OutputField]) -> Names:
        """The usual names; `_` is put behind one that a field has already."""
        taken = {field.name for field in fields}
        y, x = ("latitude", "longitude") if in_degrees(crs) else ("y", "x")
        usual = ("time", "time_bounds", "bounds", y, x, "spatial_ref", "records", "status", "status_message", "station")
        return cls(*(_free(name, taken) for name in usual))


@dataclass(frozen=True, kw_only=True)
class CubeFile:
    """All that is known of a file before the first slice."""

    names: Names
    sizes: Mapping[str, int]
    """Length of each dimension."""
    variables: tuple[Variable, ...]
    """Coordinates and what belongs to them."""
    fields: tuple[FieldVariable, ...]
    attributes: Attributes
    """Of the whole file."""
    crs_wkt: str
    """The CRS as WKT 2 (2019)."""


@dataclass(frozen=True, kw_only=True)
class SeriesFile:
    """A whole file of a series: small enough to be held."""

    sizes: Mapping[str, int]
    """Length of each dimension."""
    variables: tuple[Variable, ...]
    attributes: Attributes
    """Of the whole file."""


def describe(header: CubeHeader, *, title: str = "") -> CubeFile:
    """The variables of a cube. Never fails: CF takes every CRS that has a WKT."""
    names = Names.of(header.grid.crs, header.fields)
    sizes = {names.time: len(header.steps), names.y: header.grid.height, names.x: header.grid.width}
    variables = [
        *time_variables(header.steps, names),
        *_axes(header.grid, names),
        crs_variable(header.grid.crs, names.crs, grid=header.grid),
        Variable(
            name=names.records,
            dimensions=(names.time,),
            attributes={"long_name": "names of the records, the last on top"},
            values=np.array([",".join(step.records) for step in header.steps], dtype=TEXT),
        ),
    ]
    if any(names.bounds == one.name for one in variables):
        sizes[names.ends] = 2
    fields = tuple(
        FieldVariable(
            name=field.name,
            dimensions=(names.time, names.y, names.x),
            attributes=field_attributes(field) | {"grid_mapping": names.crs, "ancillary_variables": names.status},
            field=field,
        )
        for field in header.fields
    )
    return CubeFile(
        names=names,
        sizes=sizes,
        variables=tuple(variables),
        fields=fields,
        attributes=file_attributes(title),
        crs_wkt=parse_crs(header.grid.crs).to_wkt(),
    )


def describe_series(series: Series, *, title: str = "") -> SeriesFile:
    """The variables of a series: CF's discrete sampling geometry `timeSeries` (9, H.2).

    A single place is in scalars (H.2.3), several have the dimension `station` (H.2.1).
    """
    names = Names.of(series.crs, series.fields)
    several = (names.station,) if series.places != 1 else ()
    axes = axis_attributes(series.crs)
    stations = {"long_name": "number of the place", "cf_role": "timeseries_id"}
    variables = [
        *time_variables(series.steps, names),
        _of_places(names.y, several, axes["Y"], series.y),
        _of_places(names.x, several, axes["X"], series.x),
        _of_places(names.station, several, stations, np.arange(series.places, dtype=np.int32)),
        crs_variable(series.crs, names.crs),
        *report(names, series.ends),
    ]
    common = {
        "grid_mapping": names.crs,
        "coordinates": f"{names.y} {names.x}" if several else f"{names.y} {names.x} {names.station}",
        "ancillary_variables": names.status,
    }
    for field, values, mask in zip(series.fields, series.data, series.valid, strict=True):
        cleaned = cast(values, mask, field.format)
        variables.append(
            Variable(
                name=field.name,
                dimensions=(names.time, *several),
                attributes=field_attributes(field) | common,
                values=cleaned if several else cleaned[:, 0],
                fill=fill_value(field.format),
            )
        )
    sizes = {names.time: len(series.steps), names.ends: 2} | dict.fromkeys(several, series.places)
    used = {dimension for variable in variables for dimension in variable.dimensions}
    return SeriesFile(
        sizes={name: size for name, size in sizes.items() if name in used},
        variables=tuple(variables),
        attributes=file_attributes(title) | {"featureType": "timeSeries"},
    )


def _of_places(name: str, several: tuple[str, ...], attributes: Attributes, values: npt.NDArray[Any]) -> Variable:
    shaped = values if several else values.reshape(())
    return Variable(name=name, dimensions=several, attributes=attributes, values=shaped)


def report(names: Names, ends: Sequence[tuple[SliceStatus, str]]) -> tuple[Variable, Variable]:
    """The variables that tell how each time step ended: (status, message) for each step, in order."""
    kinds = list(SliceStatus)
    status = Variable(
        name=names.status,
        dimensions=(names.time,),
        attributes={
            "long_name": "how the reading of the time step ended",
            "standard_name": "status_flag",
            "flag_values": np.arange(len(kinds), dtype=np.int8),
            "flag_meanings": " ".join(kind.value for kind in kinds),
        },
        values=np.array([kinds.index(kind) for kind, _ in ends], dtype=np.int8),
    )
    message = Variable(
        name=names.message,
        dimensions=(names.time,),
        attributes={"long_name": "why a time step is partial or failed"},
        values=np.array([text for _, text in ends], dtype=TEXT),
    )
    return status, message


def file_attributes(title: str) -> dict[str, str]:
    """Of the whole file (CF 2.6.2)."""
    program = "Prismcube"  # which version is nobody's business, and would change files that are the same
    return {
        "Conventions": "CF-1.10",
        "title": title or "Cube",
        "source": program,
        "history": f"made by {program}",
    }


def field_attributes(field: OutputField) -> dict[str, Any]:
    """What a variable says of its field, whatever its dimensions."""
    attributes = {"long_name": field.description or field.name}
    if field.unit:
        attributes["units"] = field.unit
    return attributes


def fill_value(format: DataFormat) -> np.generic | None:
    """`_FillValue`: the nodata in its own type, NaN for floats without one.

    None for integers without one; their empty pixels hold 0, as in a GeoTIFF.
    """
    if format.nodata is None and not format.is_floating:
        return None
    nothing = np.nan if format.nodata is None else format.nodata
    fill: np.generic = np.dtype(format.dtype).type(nothing)
    return fill


def in_degrees(crs: str) -> bool:
    """True for a geographic CRS in degrees; others' axes are called y and x (CF 4.1: latitude is in degrees)."""
    parsed = parse_crs(crs)
    return parsed.is_geographic and parsed.axis_info[0].unit_name == "degree"


def axis_attributes(crs: str) -> dict[str, dict[str, str]]:
    """Attributes of the coordinate variables, for `X` and `Y` (CF 4.1, 4.2, appendix F)."""
    parsed = parse_crs(crs)
    if parsed.is_geographic and not in_degrees(crs):
        unit = parsed.axis_info[0].unit_name
        return {axis: {"axis": axis, "long_name": name, "units": unit} for axis, name in _ANGLES.items()}
    found = {one["axis"]: dict(one) for one in parsed.cs_to_cf() if one.get("axis") in ("X", "Y")}
    return {axis: found.get(axis, {"axis": axis}) for axis in ("X", "Y")}


_ANGLES = {"X": "longitude", "Y": "latitude"}


def crs_variable(crs: str, name: str, *, grid: Grid | None = None) -> Variable:
    """The grid mapping (CF 5.6): CF's own terms and `crs_wkt`, and `spatial_ref` and `GeoTransform` for GDAL."""
    parsed = parse_crs(crs)
    attributes = {key: _plain(value) for key, value in parsed.to_cf().items()}
    try:
        attributes["spatial_ref"] = parsed.to_wkt("WKT1_GDAL")
    except CRSError:  # newer than the older WKT
        attributes["spatial_ref"] = parsed.to_wkt()
    if grid is not None:
        attributes["GeoTransform"] = " ".join(map(repr, grid.transform.to_gdal()))
    return Variable(name=name, dimensions=(), attributes=attributes, values=np.array(0, dtype=np.int32))


def instants(times: Sequence[datetime]) -> tuple[npt.NDArray[np.int64], dict[str, str]]:
    """Times as whole numbers without loss, and how they count: seconds, or microseconds where there are fractions."""
    fractions = any(time.microsecond for time in times)
    unit, name = (_MICROSECOND, "microseconds") if fractions else (_SECOND, "seconds")
    values = np.array([(time - EPOCH) // unit for time in times], dtype=np.int64)
    old = any(time < _GREGORIAN for time in times)
    calendar = "proleptic_gregorian" if old else "standard"
    return values, {"units": f"{name} since 1970-01-01 00:00:00", "calendar": calendar}


_TIME = {"standard_name": "time", "long_name": "time of acquisition", "axis": "T"}


def time_variables(steps: Sequence[Step], names: Names) -> list[Variable]:
    """The time axis; with bounds (CF 7.1) where a step holds more than one instant."""
    values, counted = instants([instant for step in steps for instant in (step.start, step.end)])
    pairs = values.reshape(-1, 2)
    time = _TIME | counted
    if np.array_equal(pairs[:, 0], pairs[:, 1]):
        return [Variable(name=names.time, dimensions=(names.time,), attributes=time, values=pairs[:, 0])]
    time |= {"bounds": names.bounds}
    return [
        Variable(name=names.time, dimensions=(names.time,), attributes=time, values=pairs[:, 0]),
        Variable(name=names.bounds, dimensions=(names.time, names.ends), attributes=counted, values=pairs),
    ]


def _axes(grid: Grid, names: Names) -> list[Variable]:
    attributes = axis_attributes(grid.crs)
    return [
        Variable(name=names.y, dimensions=(names.y,), attributes=attributes["Y"], values=grid.ys()),
        Variable(name=names.x, dimensions=(names.x,), attributes=attributes["X"], values=grid.xs()),
    ]


def _plain(value: Any) -> Any:
    return [float(one) for one in value] if isinstance(value, list | tuple) else value


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name
