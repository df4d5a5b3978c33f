"""Cubes of plans that others have made, without a catalogue: Geocube's downloader.

download ─ parse_plan ─ vetted ─ Doors.check ─ check_costs ─> the cube, in the formats of a coverage
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from prismcube.cube.plan import CubePlan
from prismcube.cube.plan_document import parse_plan
from prismcube.cube.vetting import vetted
from prismcube.encode import covjson
from prismcube.errors import InvalidInput
from prismcube.storage.doors import Closed, Doors
from providers.errors import Forbidden, UnsupportedMediaType
from providers.ogc.answer import JSON, Answer, Keep, Means, Request
from providers.ogc.coverage.formats import FILES, cube_body, extension_of
from providers.ogc.coverage.formats import FORMATS as COVERAGE_FORMATS
from providers.ogc.coverage.handler import check_costs, content_headers
from providers.ogc.negotiate import choose_format
from providers.ogc.params import Query
from providers.ogc.selection import all_slices

PARAMETERS = ("f",)
FORMATS = {name: COVERAGE_FORMATS[name] for name in ("geotiff", "tiff", *FILES, "covjson", "json")}
"""Those of a coverage that need no more than the plan."""
NEGOTIATED = FORMATS | {"json": JSON}

NAME = "cube"
"""Of the files, which have no collection to be named after."""


@dataclass(frozen=True, kw_only=True)
class Downloads(Means):
    """What a downloader has."""

    doors: Doors


def download(means: Downloads, request: Request) -> Answer:
    """The cube of the plan in the body.

    Raises InvalidInput for what is no plan, Forbidden for files that may not be read, BudgetExceeded, SourceError (when
    not one time step could be read), UnsupportedMediaType.
    """
    query = Query(request.query, known=PARAMETERS)
    f = query.text("f")
    format = choose_format(f, request.accept, NEGOTIATED if f is None else FORMATS)
    _check_type(request.content_type)
    with means.parsing(len(request.body)):
        plan = read_plan(request.body)
    if len(plan.slices) <= means.limits.slices:  # else it is refused below, whatever it names
        _check_doors(means.doors, plan)
    check_costs(means, plan, format)
    headers = content_headers(plan) | {"Content-Disposition": f'inline; filename="{NAME}.{extension_of(format)}"'}
    if format in ("covjson", "json"):
        body = covjson.grid_coverage(plan.header, all_slices(means, plan))
        return Answer(body, FORMATS[format], headers=content_headers(plan), keep=Keep.NEVER)
    return Answer(cube_body(means, plan, format, title=""), FORMATS[format], headers=headers, keep=Keep.NEVER)


def read_plan(body: bytes) -> CubePlan:
    """A plan that comes from anywhere, its costs worked out anew. Raises InvalidInput, BudgetExceeded."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput("plan", f"is no JSON ({error})"[:200]) from error
    return vetted(parse_plan(document))


def _check_type(content_type: str) -> None:
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise UnsupportedMediaType(f"a plan is sent as {JSON}, not as {content_type[:60]!r}")


def _check_doors(doors: Doors, plan: CubePlan) -> None:
    try:
        doors.check(step.uri for step in plan.steps)
    except Closed as error:
        raise Forbidden(str(error)) from error
