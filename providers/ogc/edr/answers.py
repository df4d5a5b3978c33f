"""Series, cubes and trajectories in the format that was asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
from shapely.geometry.base import BaseGeometry

from prismcube.cube.plan import CubePlan
from prismcube.encode import covjson, geojson, table
from prismcube.errors import BudgetExceeded, SourceError
from prismcube.model.collection import Collection
from prismcube.model.cube import Slice
from prismcube.model.series import Series
from providers.ogc.answer import Answer, Context, FileBody, Request
from providers.ogc.coverage import check_json_size
from providers.ogc.coverage.formats import FILES, TEMPORARY, write_temporary
from providers.ogc.edr.query import FORMATS
from providers.ogc.selection import Watched

NETCDF = FILES["netcdf"]
Mask = npt.NDArray[np.bool_]

MEMBERS = 12
"""About how many values of CoverageJSON a GeoJSON feature is as large as, beside its own."""


def series_answer(
    context: Context,
    about: geojson.About,
    series: Series,
    format: str,
    *,
    several: bool = False,
    shape: BaseGeometry | None = None,
) -> Answer:
    """`several`: of several places, though it may be one; `shape`: what a series stands for, in degrees.

    Raises BudgetExceeded.
    """
    match format:
        case "csv":
            body = table.series_csv(series, places=several)
        case "netcdf":
            return _netcdf_series(context, series, title=about.label)
        case "geojson":
            check_features(context, series.places * len(series.steps), len(series.fields))
            body = geojson.series_features(series, about, shape=shape)
        case _:
            body = covjson.point_series_collection(series) if several else covjson.point_series(series)
    return Answer(body, FORMATS[format])


def trajectory_answer(context: Context, about: geojson.About, series: Series, format: str) -> Answer:
    """The pixels along a line. Raises BudgetExceeded."""
    if format == "covjson":
        return Answer(covjson.trajectories(series), FORMATS[format])
    return series_answer(context, about, series, format, several=True)


def cube_answer(
    context: Context, about: geojson.About, plan: CubePlan, format: str, *, inside: Mask | None = None
) -> Answer:
    """A cube, read here; `inside` is True for the pixels that are wanted, shape (height, width).

    Raises BudgetExceeded before anything is read, SourceError when no step could be read.
    """
    watched = Watched(context, plan)
    passing = (one if inside is None else _clipped(one, inside) for one in watched)
    if format == "netcdf":
        return _netcdf_cube(context, plan, watched, passing, title=about.label)
    check_json_size(plan, context)
    slices = list(passing)
    watched.check()
    match format:
        case "csv":
            body = table.cube_csv(plan.header, slices)
        case "geojson":
            check_features(context, plan.grid.pixels * len(slices), len(plan.fields))
            body = geojson.cube_features(plan.header, slices, about)
        case _:
            body = covjson.grid_coverage(plan.header, slices)
    return Answer(body, FORMATS[format])


def _netcdf_cube(context: Context, plan: CubePlan, watched: Watched, slices: Iterable[Slice], *, title: str) -> Answer:
    file = write_temporary(context.temporary, NETCDF, plan.header, slices, title=title)
    try:
        watched.check()
    except SourceError:
        file.file.close()
        raise
    return Answer(file, NETCDF.media_type)


def _netcdf_series(context: Context, series: Series, *, title: str) -> Answer:
    from prismcube.encode import netcdf  # its library takes long to import

    context.temporary.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=context.temporary, prefix=TEMPORARY) as inside:
        path = Path(inside, f"series.{NETCDF.extension}")
        netcdf.write_series(path, series, title=title)
        return Answer(FileBody(path.open("rb"), path.stat().st_size), NETCDF.media_type)


def _clipped(one: Slice, inside: Mask) -> Slice:
    return Slice(one.index, one.data, tuple(valid & inside for valid in one.valid), one.status, one.message)


def check_features(context: Context, features: int, fields: int) -> None:
    """A feature costs more than its values. Raises BudgetExceeded."""
    values = features * (fields + MEMBERS)
    if values > context.limits.json_values:
        advice = "ask for f=covjson or f=csv, a smaller area or fewer dates"
        raise BudgetExceeded(
            "members of a GeoJSON answer", asked=values, allowed=context.limits.json_values, advice=advice
        )


def about(collection: Collection, request: Request, path: str, *, label: str = "") -> geojson.About:
    """What features say of themselves; `path` is that of the query below the collection."""
    query = f"?{urlencode(request.query)}" if request.query else ""
    endpoint = f"{request.base}/collections/{collection.name}/{path}{query}"
    return geojson.About(label or collection.title or collection.name, endpoint)
