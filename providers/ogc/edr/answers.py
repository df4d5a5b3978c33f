"""Series, cubes and trajectories in the format that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from shapely.geometry.base import BaseGeometry

from prismcube.cube.plan import CubePlan
from prismcube.encode import covjson, geojson, table
from prismcube.errors import BudgetExceeded
from prismcube.model.collection import Collection
from prismcube.model.cube import Slice
from prismcube.model.series import Series
from providers.ogc.answer import Answer, Context, Request
from providers.ogc.edr.query import FORMATS

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


def cube_answer(context: Context, about: geojson.About, plan: CubePlan, slices: Sequence[Slice], format: str) -> Answer:
    """A cube. Raises BudgetExceeded."""
    match format:
        case "csv":
            body = table.cube_csv(plan.header, slices)
        case "geojson":
            check_features(context, plan.grid.pixels * len(slices), len(plan.fields))
            body = geojson.cube_features(plan.header, slices, about)
        case _:
            body = covjson.grid_coverage(plan.header, slices)
    return Answer(body, FORMATS[format])


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
