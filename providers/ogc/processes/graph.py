"""`/jobs/{jobID}/graph`: the stages of a job and, where they are few, its tasks; as JSON or as a picture."""

from __future__ import annotations

from typing import Any

from prismcube.jobs.documents import address_of
from prismcube.jobs.graph import StageGraph, graph_of
from providers.ogc.answer import HTML, JSON, Answer, Context, Keep, Request, link, own_links
from providers.ogc.negotiate import choose_format
from providers.ogc.params import Query
from providers.ogc.processes.drawing import draw
from providers.ogc.processes.offered import job_of, processes_of

SVG = "image/svg+xml"
FORMATS = {"json": JSON, "svg": SVG, "html": HTML}


def graph(context: Context, request: Request, job: str) -> Answer | dict[str, Any]:
    """Raises NotFound."""
    query = Query(request.query, known=("f", "lang"))
    one = job_of(context, job)
    processes = processes_of(context)
    stages = graph_of(processes.ledger, one, processes.ledger.machine(one))
    if choose_format(query.text("f"), request.accept, FORMATS) == "svg":
        return Answer(draw(stages, title=f"Job {one.id}: {one.stage}").encode(), SVG, keep=Keep.NEVER)
    here = f"{address_of(request.base, one.id)}/graph"
    links = [
        *own_links(request, here),
        link(f"{here}?f=svg", "alternate", SVG, "As a picture"),
        link(address_of(request.base, one.id), "up", JSON, "The job"),
    ]
    return {"jobID": one.id, "stage": one.stage, "stages": [_stage(stage) for stage in stages], "links": links}


def _stage(one: StageGraph) -> dict[str, Any]:
    return {
        "name": one.stage.name,
        "meaning": one.stage.meaning,
        "status": one.stage.status.value,
        "isHere": one.is_here,
        "moves": {event.value: target for event, target in one.stage.moves.items()},
        "counts": {state.value: number for state, number in one.counts.items()},
        "tasks": [{"id": task.id, "name": task.name, "state": task.state.value} for task in one.tasks],
        "edges": [{"from": first, "to": then} for first, then in one.edges],
    }
