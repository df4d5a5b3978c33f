"""`/collections/{c}/trajectory`: the pixels that a line crosses, in its order (OGC 19-086r6, 8.2.4)."""

from __future__ import annotations

from prismcube.errors import BudgetExceeded
from prismcube.model.lines import count_crossings, near_data, pixels_crossed, segments_of, segments_to_native
from providers.ogc.answer import NOTHING_THERE, Answer, Context, Request
from providers.ogc.edr.answers import about, trajectory_answer
from providers.ogc.edr.query import COMMON, coords, format_of, read_query
from providers.ogc.edr.sampling import places_in, sample

PARAMETERS = ("coords", *COMMON)


def trajectory(context: Context, request: Request, name: str) -> Answer:
    """Every native pixel that the line crosses, once each time it does, over all time steps.

    A place is the middle of the line's way through its pixel. Raises NotFound, InvalidInput, BudgetExceeded,
    SourceError.
    """
    query = read_query(request.query, PARAMETERS)
    format = format_of(query, request.accept)
    collection = context.collection(name)
    kinds = ("LINESTRING", "MULTILINESTRING")
    line, crs = coords(query, kinds=kinds, max_vertices=context.limits.vertices)
    if collection.extent is None:
        return NOTHING_THERE
    native = collection.extent.native
    near = near_data(segments_of(line), crs, native)
    if not len(near):
        return NOTHING_THERE
    segments = segments_to_native(near, crs, native)
    most = count_crossings(segments, native)
    if most > context.limits.json_values:
        advice = "ask for a shorter line"
        raise BudgetExceeded("pixels along the line", asked=most, allowed=context.limits.json_values, advice=advice)
    crossed = pixels_crossed(segments, native)
    if not len(crossed.rows):
        return NOTHING_THERE
    sampler = sample(context, collection, query, native, crossed.rows, crossed.cols)
    if sampler is None:
        return NOTHING_THERE
    series = sampler.series(crs, *places_in(crs, crossed.x, crossed.y, native))
    return trajectory_answer(context, about(collection, request, "trajectory"), series, format)
