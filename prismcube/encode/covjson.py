"""Cubes and point series as CoverageJSON (OGC 21-069r2, the Community Standard 1.0)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from prismcube.model.cube import CubeHeader, OutputField, Slice, SliceStatus
from prismcube.model.grid import crs_uri, is_north_first, parse_crs
from prismcube.model.period import format_instant

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


def point_series(header: CubeHeader, slices: Iterable[Slice], *, x: float, y: float, crs: str) -> bytes:
    """A one-pixel cube as a Coverage with a PointSeries domain at (x, y) of `crs`."""
    collected = list(slices)
    columns = {
        f.name: (
            np.array([one.data[i][0, 0] for one in collected], dtype=f.format.dtype),
            np.array([one.valid[i][0, 0] for one in collected], dtype=bool),
        )
        for i, f in enumerate(header.fields)
    }
    times = [format_instant(step.start) for step in header.steps]
    document = series_document(header.fields, times, columns, x=x, y=y, crs=crs)
    document["prismcube:status"] = [status_entry(one.status, one.message) for one in collected]
    return dump(document)


def series_document(
    fields: Sequence[OutputField],
    times: Sequence[str],
    columns: Mapping[str, tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]],
    *,
    x: float,
    y: float,
    crs: str,
) -> dict[str, Any]:
    """A PointSeries coverage; `columns` holds (values, valid) of shape (times,) for each field."""
    ranges = {f.name: _range(*columns[f.name], f, axes=("t",), shape=(len(times),)) for f in fields}
    axes = {"x": {"values": [x]}, "y": {"values": [y]}, "t": {"values": list(times)}}
    return _coverage("PointSeries", axes, crs, fields, ranges)


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
        "parameters": {f.name: parameter(f) for f in fields},
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
    flat, ok = data.reshape(-1), valid.reshape(-1)
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
