"""Update a mapping: what the stored numbers of an instance's datasets stand for."""

from __future__ import annotations

from prismcube.consolidation.ranges import from_ranges
from prismcube.consolidation.selection import Selection, choose
from prismcube.errors import InvalidInput
from prismcube.model.consolidation import format_from_json, format_to_json
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.machine import simple_machine
from prismcube.model.work import Work
from processes.inputs import RECORDS, SIMULATE
from processes.process import Estimate, Input, Inputs, Output, Process
from processes.shared import COUNT, FORMAT, JSON, NUMBER, check_unlocked
from processes.tools import Tools

_INPUTS = {
    "instance": Input(
        title="Instance",
        description="As variable/instance.",
        schema={"type": "string", "minLength": 3, "maxLength": 500},
        example="s2-reflectance/l2a",
        required=True,
    ),
    "records": RECORDS,
    "format": Input(
        title="Format",
        description="Of the stored numbers: type, nodata, range.",
        schema=FORMAT,
        example={"dtype": "uint16", "nodata": 0},
        required=True,
    ),
    "mapping": Input(
        title="Mapping",
        description="From stored numbers (imin to imax) to those handed out (emin to emax), with an exponent.",
        schema={
            "type": "object",
            "properties": {
                "imin": NUMBER,
                "imax": NUMBER,
                "emin": NUMBER,
                "emax": NUMBER,
                "exponent": {"type": "number", "exclusiveMinimum": 0},
            },
            "additionalProperties": False,
        },
        example={"imin": 0, "imax": 10000, "emin": 0, "emax": 1},
        required=True,
    ),
    "simulate": SIMULATE,
}

_OUTPUTS = {
    "changed": Output(
        title="Changed",
        description="How many datasets have the new mapping; with simulate, how many it would be.",
        schema=COUNT,
    ),
    "former": Output(
        title="Former",
        description="The formats and mappings that there were, and of how many datasets.",
        schema={"type": "array", "items": {"type": "object"}},
    ),
}


def _wanted(tools: Tools, inputs: Inputs) -> tuple[int, DataFormat, ValueMapping, tuple[int, ...] | None]:
    """Raises NotFound, and InvalidInput naming the input."""
    chosen = choose(tools.catalogue, Selection(instances=(inputs["instance"],)))
    [instance] = chosen.instances
    try:
        mapping = ValueMapping(**inputs["mapping"])
    except InvalidInput as error:
        raise InvalidInput(f"mapping.{error.parameter}", error.reason) from error
    given = inputs.get("records")
    records = None if given is None else from_ranges("records", given)
    if records is not None:
        tools.catalogue.records.get_many(records)
    return instance, format_from_json(inputs["format"]), mapping, records


def check(tools: Tools, inputs: Inputs) -> None:
    """Names, that the mapping is one and files have such numbers; and that no job holds a dataset that would change."""
    instance, format, mapping, records = _wanted(tools, inputs)
    datasets = tools.catalogue.datasets
    datasets.update_mapping(instance, format, mapping, records=records, simulate=True)
    if not inputs.get("simulate"):
        check_unlocked(tools, datasets.remapped(instance, format, mapping, records=records))


def estimate(tools: Tools, inputs: Inputs) -> Estimate:
    instance, format, mapping, records = _wanted(tools, inputs)
    told = tools.catalogue.datasets.update_mapping(instance, format, mapping, records=records, simulate=True)
    details = {"datasets": sum(one.number for one in told if one.changes)}
    return Estimate(tasks=1, files=0, read_bytes=0, written_bytes=0, details=details)


def update_mapping(tools: Tools, work: Work, payload: JSON) -> JSON:
    """One transaction; a second time nothing changes."""
    instance, format, mapping, records = _wanted(tools, work.inputs)
    simulate = bool(work.inputs.get("simulate"))
    told = tools.catalogue.datasets.update_mapping(instance, format, mapping, records=records, simulate=simulate)
    former = [
        {
            "format": format_to_json(one.format),
            "mapping": dict(vars(one.mapping)),
            "datasets": one.number,
            "changes": one.changes,
        }
        for one in told
    ]
    return {"changed": sum(one.number for one in told if one.changes), "former": former}


PROCESS = Process(
    id="update-mapping",
    title="Update a mapping",
    description="Gives all datasets of an instance, or those of some records, another format and value mapping. Files "
    "stay as they are: other values are read from them.",
    keywords=("catalogue",),
    inputs=_INPUTS,
    outputs=_OUTPUTS,
    machine=simple_machine("update-mapping", meaning="Datasets get their new mapping, by one transaction."),
    bodies={"update-mapping": update_mapping},
    estimate=estimate,
    check=check,
    synchronous=True,
)
