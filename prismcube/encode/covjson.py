"""Cubes, point series and trajectories as CoverageJSON (OGC 21-069r2, the Community Standard 1.0)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from prismcube.model.cube import CubeHeader, OutputField, Slice, SliceStatus
from prismcube.model.grid import crs_uri, is_north_first, parse_crs
from prismcube.model.period import format_instant
from prismcube.model.series import Series

MEDIA_TYPE = "application/prs.coverage+json"


def grid_coverage(header: CubeHeader, slices: Iterable[Slice]) -> bytes:
    """The cube as a Coverage with a Grid domain; axes t, y, x, coordinates are pixel centres."""
    collected = list(slices)
    shape = (len(header.steps), *header.grid.shape)
    ranges = {}
    for position, field in enumerate(header.fields):
        data = np.stack([one.data[position] for one in collected])
        valid = np.stack([one.valid[position] for one in collected])
        ranges[field.name] = _range(data, valid, field, axes=("t", "y", "x"), shape=shape)
    axes = {
        "x": _axis(header.grid.xs()),
        "y": _axis(header.grid.ys()),
        "t": {"values": [format_instant(step.start) for step in header.steps]},
    }
    document = _coverage("Grid", axes, header.grid.crs, header.fields, ranges)
    document["prismcube:status"] = [status_entry(one.status, one.message) for one in collected]
    return dump(document)


def point_series(series: Series) -> bytes:
    """A series of one place as a Coverage with a PointSeries domain."""
    document = {**_point_series(series, 0), "parameters": _parameters(series.fields)}
    document["domain"]["referencing"] = _referencing(series.crs)
    document["prismcube:status"] = [status_entry(*end) for end in series.ends]
    return dump(document)


def point_series_collection(series: Series) -> bytes:
    """A series of several places as a CoverageCollection, a PointSeries each."""
    document = _collection("PointSeries", series, [_point_series(series, place) for place in range(series.places)])
    document["prismcube:status"] = [status_entry(*end) for end in series.ends]
    return dump(document)


def trajectories(series: Series) -> bytes:
    """The places of a line in their order as a CoverageCollection: a Trajectory a time step.

    The domain's one composite axis has (t, x, y) tuples, all with the step's time.
    """
    return dump(_collection("Trajectory", series, [_trajectory(series, step) for step in range(len(series.steps))]))


def _point_series(series: Series, place: int) -> dict[str, Any]:
    axes = {
        "x": {"values": [series.x[place]]},
        "y": {"values": [series.y[place]]},
        "t": {"values": [format_instant(step.start) for step in series.steps]},
    }
    columns = zip(series.fields, series.data, series.valid, strict=True)
    ranges = {
        f.name: _range(data[:, place], valid[:, place], f, axes=("t",), shape=(len(data),))
        for f, data, valid in columns
    }
    return _member("PointSeries", axes, ranges)


def _trajectory(series: Series, step: int) -> dict[str, Any]:
    time = format_instant(series.steps[step].start)
    tuples = [[time, x, y] for x, y in zip(series.x.tolist(), series.y.tolist(), strict=True)]
    axes = {"composite": {"dataType": "tuple", "coordinates": ["t", "x", "y"], "values": tuples}}
    columns = zip(series.fields, series.data, series.valid, strict=True)
    ranges = {
        f.name: _range(data[step], valid[step], f, axes=("composite",), shape=(series.places,))
        for f, data, valid in columns
    }
    return {**_member("Trajectory", axes, ranges), "prismcube:status": status_entry(*series.ends[step])}


def _member(domain: str, axes: dict[str, Any], ranges: dict[str, Any]) -> dict[str, Any]:
    """A coverage without what all of a collection share."""
    return {
        "type": "Coverage",
        "domain": {"type": "Domain", "domainType": domain, "axes": axes},
        "ranges": ranges,
    }


def _collection(domain: str, series: Series, members: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "CoverageCollection",
        "domainType": domain,
        "parameters": _parameters(series.fields),
        "referencing": _referencing(series.crs),
        "coverages": members,
    }


def _parameters(fields: Sequence[OutputField]) -> dict[str, Any]:
    return {f.name: parameter(f) for f in fields}


def dump(document: Mapping[str, Any]) -> bytes:
    """A CoverageJSON document as bytes."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def parameter(field: OutputField) -> dict[str, Any]:
    """The Parameter object of a field; EDR's `parameter_names` has the same shape."""
    document: dict[str, Any] = {
        "type": "Parameter",
        "description": {"en": field.description or field.name},
        "observedProperty": {"id": field.name, "label": {"en": field.name}},
    }
    if field.unit:
        document["unit"] = {
            "label": {"en": field.unit},
            "symbol": {"value": field.unit, "type": "http://www.opengis.net/def/uom/UCUM/"},
        }
    return document


def _coverage(
    domain: str, axes: dict[str, Any], crs: str, fields: Sequence[OutputField], ranges: dict[str, Any]
) -> dict[str, Any]:
    return {
        "type": "Coverage",
        "domain": {"type": "Domain", "domainType": domain, "axes": axes, "referencing": _referencing(crs)},
        "parameters": _parameters(fields),
        "ranges": ranges,
    }


def _referencing(crs: str) -> list[dict[str, Any]]:
    parsed = parse_crs(crs)
    kind = "GeographicCRS" if parsed.is_geographic else "ProjectedCRS"
    system: dict[str, Any] = {"type": kind}
    uri = crs_uri(crs)
    if uri.startswith("http"):
        system["id"] = uri
    else:
        system["wkt"] = parsed.to_wkt()
    return [
        # Identifiers "MUST match the order of axes" of the CRS (reference system connections): EPSG:3035 is y, x.
        {"coordinates": ["y", "x"] if is_north_first(crs) else ["x", "y"], "system": system},
        {"coordinates": ["t"], "system": {"type": "TemporalRS", "calendar": "Gregorian"}},
    ]


def _axis(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    if len(values) == 1:
        return {"values": [float(values[0])]}
    return {"start": float(values[0]), "stop": float(values[-1]), "num": len(values)}


def _range(
    data: npt.NDArray[Any],
    valid: npt.NDArray[np.bool_],
    field: OutputField,
    *,
    axes: tuple[str, ...],
    shape: tuple[int, ...],
) -> dict[str, Any]:
    flat, ok = np.ascontiguousarray(data).reshape(-1), valid.reshape(-1)  # orjson takes nothing else
    values: Any
    if field.format.is_floating:
        values = np.where(ok, flat, np.nan).astype(field.format.dtype)  # orjson writes NaN as null
    elif ok.all():
        values = flat
    else:
        values = [value if good else None for value, good in zip(flat.tolist(), ok.tolist(), strict=True)]
    return {
        "type": "NdArray",
        "dataType": "float" if field.format.is_floating else "integer",
        "axisNames": list(axes),
        "shape": list(shape),
        "values": values,
    }


def status_entry(status: SliceStatus, message: str) -> Any:
    """How a step ended, as `prismcube:status` lists it: a word, with the reason where there is one."""
    return {"status": status.value, "message": message} if message else status.value
