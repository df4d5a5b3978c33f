"""Tidy: entities of the catalogue go that nothing refers to."""

from __future__ import annotations

from prismcube.catalogue.tidy import KINDS
from prismcube.model.machine import simple_machine
from prismcube.model.work import Work
from processes.inputs import SIMULATE
from processes.process import Estimate, Input, Inputs, Output, Process
from processes.shared import COUNT, JSON
from processes.tools import Tools

_INPUTS = {
    "kinds": Input(
        title="Kinds",
        description="Of entities that are looked at; without them all.",
        schema={"type": "array", "minItems": 1, "uniqueItems": True, "items": {"enum": list(KINDS)}},
        example=["records", "aois"],
    ),
    "simulate": SIMULATE,
}

_OUTPUTS = {
    "removed": Output(
        title="Removed",
        description="How many of each kind; with simulate, how many it would be.",
        schema={"type": "object", "additionalProperties": COUNT},
    ),
}


def estimate(tools: Tools, inputs: Inputs) -> Estimate:
    removed = tools.catalogue.tidy(inputs.get("kinds") or KINDS, simulate=True)
    return Estimate(tasks=1, files=0, read_bytes=0, written_bytes=0, details={"removed": removed})


def tidy(tools: Tools, work: Work, payload: JSON) -> JSON:
    """One transaction; a second time there is nothing left to remove."""
    kinds = work.inputs.get("kinds") or KINDS
    removed = tools.catalogue.tidy(kinds, simulate=bool(work.inputs.get("simulate")))
    work.log(", ".join(f"{number} {kind}" for kind, number in removed.items()))
    return {"removed": removed}


PROCESS = Process(
    id="tidy",
    title="Tidy up the catalogue",
    description="Removes records, areas, files' entries, instances, consolidation settings and variables that nothing "
    "refers to. Files stay, and so do entries of files that are ours.",
    keywords=("catalogue",),
    inputs=_INPUTS,
    outputs=_OUTPUTS,
    machine=simple_machine("tidy", meaning="What nothing refers to is being removed, by one transaction."),
    bodies={"tidy": tidy},
    estimate=estimate,
    synchronous=True,
)
