"""The list of processes, and the description of each (OGC 18-062r2, clauses 7.9 and 7.10)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from providers.ogc.answer import HTML, JSON, REL, Context, Request, link, linked, own_links
from providers.ogc.offer import Input, Output, Process
from providers.ogc.params import Query
from providers.ogc.processes.offered import processes_of
from providers.schemas import for_openapi

PARAMETERS = ("f", "lang", "limit", "after")
PROFILE = "https://www.opengis.net/def/profile/OGC/0/ogc-process-description"


def processes(context: Context, request: Request) -> dict[str, Any]:
    """`/processes`: a page of summaries, by id."""
    query = Query(request.query, known=PARAMETERS)
    limit = min(query.integer("limit", least=1) or context.limits.items, context.limits.items)
    after = query.text("after") or ""
    ours = [_summary(one, base=request.base) for one in processes_of(context).offered()]
    everything = sorted([*ours, *context.other_processes()], key=lambda one: str(one["id"]))
    rest = [one for one in everything if one["id"] > after]
    address = f"{request.base}/processes"
    links = own_links(request, address)
    if len(rest) > limit:
        links.append(link(linked(address, request.query, after=rest[limit - 1]["id"]), "next", JSON, "Next page"))
    return {"processes": rest[:limit], "links": links}


def process(context: Context, request: Request, process: str) -> dict[str, Any]:
    """`/processes/{processID}`: the whole description."""
    Query(request.query, known=("f", "lang"))
    one = processes_of(context).get(process)
    document = _summary(one, base=request.base)
    inputs = {name: _input(value) for name, value in one.inputs.items()}
    outputs = {name: _output(value) for name, value in one.outputs.items()}
    return {**document, "inputs": inputs, "outputs": outputs}


def _summary(one: Process, *, base: str) -> dict[str, Any]:
    here = f"{base}/processes/{quote(one.id, safe='')}"
    modes = ["async-execute", *(["sync-execute"] if one.synchronous else []), "dismiss"]
    return {
        "id": one.id,
        "title": one.title,
        "description": one.description,
        "version": one.version,
        "keywords": list(one.keywords),
        "jobControlOptions": modes,
        "outputTransmission": ["value", "reference"],
        "links": [
            link(here, "self", JSON, "The description"),
            link(f"{here}?f=html", "alternate", HTML, "As HTML"),
            {"href": PROFILE, "rel": "profile"},
            link(f"{here}/execution", f"{REL}execute", JSON, "Where it is executed (POST)"),
            link(f"{here}/estimate", "estimate", JSON, "What a job would cost (POST)"),
            link(f"{base}/jobs?processID={quote(one.id, safe='')}", f"{REL}job-list", JSON, "Its jobs"),
        ],
    }


def _input(one: Input) -> dict[str, Any]:
    schema = for_openapi(one.schema)
    example = one.example[0] if one.most > 1 and isinstance(one.example, list) else one.example
    return {
        "title": one.title,
        "description": one.description,
        "minOccurs": int(one.required),
        "maxOccurs": one.most,
        "schema": {**schema, "example": example},
    }


def _output(one: Output) -> dict[str, Any]:
    return {"title": one.title, "description": one.description, "schema": for_openapi(one.schema)}
