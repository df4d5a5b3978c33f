"""Series and small cubes as GeoJSON (RFC 7946) of the form that EDR asks for (OGC 19-086r6, 9.3).

A feature is a place, or a pixel, at one time step. Its properties are the values by the fields' names, beside
`datetime`, `label`, `parameter-name` and `edrqueryendpoint`. Coordinates are longitude and latitude.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from prismcube.encode.covjson import parameter
from prismcube.model.cube import CubeHeader, OutputField, Slice
from prismcube.model.grid import CRS84, transformer
from prismcube.model.period import format_instant
from prismcube.model.series import Series

MEDIA_TYPE = "application/geo+json"

Values = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class About:
    """What every feature says of itself."""

    label: str
    """Title of the collection, or of the place."""
    endpoint: str
    """Address of the query that made it."""


def series_features(series: Series, about: About, *, shape: BaseGeometry | None = None) -> bytes:
    """A point feature a place and step, or one of `shape` (longitude, latitude) for a series of one place."""
    if shape is not None:
        geometries: list[Any] = [mapping(shape)]
    else:
        geometries = _points(*transformer(series.crs, CRS84).transform(series.x, series.y))
    features: list[dict[str, Any]] = []
    for at, step in enumerate(series.steps):
        columns = [(data[at], valid[at]) for data, valid in zip(series.data, series.valid, strict=True)]
        features += _features(geometries, columns, series.fields, format_instant(step.start), about)
    return _dump(features, series.fields)


def cube_features(header: CubeHeader, slices: Iterable[Slice], about: About) -> bytes:
    """A point feature, at the pixel's centre, for each step and pixel that has a valid field."""
    xs, ys = header.grid.xs(), header.grid.ys()
    features: list[dict[str, Any]] = []
    for one in slices:
        rows, cols = np.nonzero(np.logical_or.reduce(one.valid))
        geometries = _points(*transformer(header.grid.crs, CRS84).transform(xs[cols], ys[rows]))
        columns = [(data[rows, cols], valid[rows, cols]) for data, valid in zip(one.data, one.valid, strict=True)]
        time = format_instant(header.steps[one.index].start)
        features += _features(geometries, columns, header.fields, time, about)
    return _dump(features, header.fields)


def _points(lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> list[Any]:
    # Nine decimals are a tenth of a millimetre; a fixed number keeps what transformations add out of the text.
    pairs = zip(np.round(lon, 9).tolist(), np.round(lat, 9).tolist(), strict=True)
    return [{"type": "Point", "coordinates": pair} for pair in pairs]


def _features(
    geometries: Sequence[Any],
    columns: Sequence[tuple[Values, Mask]],
    fields: Sequence[OutputField],
    time: str,
    about: About,
) -> Iterator[dict[str, Any]]:
    names = [f.name for f in fields]
    common = {"datetime": time, "label": about.label, "parameter-name": names, "edrqueryendpoint": about.endpoint}
    listed = [[value if good else None for value, good in zip(values, valid, strict=True)] for values, valid in columns]
    for geometry, values in zip(geometries, zip(*listed, strict=True), strict=True):
        properties: Mapping[str, Any] = {**common, **dict(zip(names, values, strict=True))}
        yield {"type": "Feature", "geometry": geometry, "properties": properties}


def _dump(features: list[dict[str, Any]], fields: Sequence[OutputField]) -> bytes:
    document = {"type": "FeatureCollection", "parameters": parameters_of(fields), "features": features}
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def parameters_of(fields: Sequence[OutputField]) -> list[dict[str, Any]]:
    """The `parameters` of an EDR FeatureCollection."""
    return [{"id": f.name, **edr_parameter(f)} for f in fields]


def edr_parameter(field: OutputField) -> dict[str, Any]:
    """The parameter object of EDR (OGC 19-086r6, table 12): CoverageJSON's, with text where that has language maps."""
    document = parameter(field)
    document["description"] = field.description or field.name
    document["observedProperty"] = {"id": field.name, "label": field.description or field.name}
    if "unit" in document:
        document["unit"]["label"] = field.unit
    document["data-type"] = "float" if field.format.is_floating else "integer"
    return document
