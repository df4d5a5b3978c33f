"""Export a cube: larger than one answer may be, computed in parts, into one file in the storage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from prismcube.consolidation.export import (
    DEFAULT_FORMAT,
    FORMATS,
    ExportOrder,
    name_of,
    plan_export,
    write_cube,
)
from prismcube.consolidation.export_parts import Folder, compute_part, write_plans
from prismcube.consolidation.publishing import files_below, remove_files
from prismcube.consolidation.unread import summary
from prismcube.cube.mosaic import RULES
from prismcube.cube.observer import ReadBytes
from prismcube.model.cube import SliceStatus
from prismcube.model.entities import RESAMPLINGS
from prismcube.model.machines import EXPORT_CUBE
from prismcube.model.work import LogLevel, NewTask, Work
from processes.process import Estimate, Input, Inputs, Output, Process, reads_always
from processes.shared import COUNT, JSON, prepared_of, text
from processes.tools import Tools

_TEXT = text(500)
_SIDE: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
_LENGTH: dict[str, Any] = {"type": "number", "exclusiveMinimum": 0}

_INPUTS = {
    "collection": Input(
        title="Collection",
        description="Of which the cube is.",
        schema=_TEXT,
        example="s2-romania",
        required=True,
    ),
    "properties": Input(
        title="Fields",
        description="Names of fields; without them all that are stored.",
        schema={"type": "array", "minItems": 1, "maxItems": 1000, "uniqueItems": True, "items": _TEXT},
        example=["B4", "B8", "ndvi"],
    ),
    "bbox": Input(
        title="Area",
        description="West, south, east, north, in x and y of `bboxCrs`; without it all the collection covers. In "
        "degrees, a west greater than the east means an area across the date line.",
        schema={"type": "array", "minItems": 4, "maxItems": 4, "items": {"type": "number"}},
        example=[22.15, 45.203, 22.155, 45.206],
    ),
    "bboxCrs": Input(title="CRS of the area", description="Degrees unless given.", schema=_TEXT, example="EPSG:4326"),
    "crs": Input(
        title="CRS of the cube", description="The collection's own unless given.", schema=_TEXT, example="EPSG:3035"
    ),
    "datetime": Input(
        title="Time",
        description="An instant or interval (RFC 3339); `..` is open.",
        schema={"type": "string", "maxLength": 100},
        example="2020-01-01/2020-12-31",
    ),
    "resolution": Input(
        title="Pixel size",
        description="In units of the cube's CRS, for both axes or for each.",
        schema={"oneOf": [_LENGTH, {"type": "array", "minItems": 2, "maxItems": 2, "items": _LENGTH}]},
        example=10,
    ),
    "width": Input(title="Width", description="Pixels, in place of a pixel size.", schema=_SIDE, example=4096),
    "height": Input(title="Height", description="Pixels; see width.", schema=_SIDE, example=4096),
    "group": Input(
        title="Time steps",
        description="record, day, month, year, all, or names of records as `A,B;C`.",
        schema={"type": "string", "minLength": 1, "maxLength": 100_000},
        example="month",
    ),
    "mosaic": Input(
        title="Mosaic",
        description="How the records of a time step become one.",
        schema={"enum": sorted(RULES), "default": "last"},
        example="median",
    ),
    "resampling": Input(
        title="Resampling",
        description="Of every field; without it each variable's own.",
        schema={"enum": list(RESAMPLINGS)},
        example="bilinear",
    ),
    "mask": Input(
        title="Mask", description="none, a rule's name, or a rule such as SCL:4-7.", schema=_TEXT, example="clear"
    ),
    "format": Input(
        title="Format",
        description="Of the file.",
        schema={"enum": sorted(FORMATS), "default": DEFAULT_FORMAT},
        example="zarr",
    ),
    "incomplete": Input(
        title="Incomplete",
        description="True: time steps that can't be read, or not wholly, have what could be read, if anything, and are "
        "counted in `ends`; else the job fails, naming a file, and a retry goes on when it is back.",
        schema={"type": "boolean", "default": False},
        example=True,
    ),
}

_OUTPUTS = {
    "cube": Output(
        title="Cube",
        description="The file: its URI, media type and size.",
        schema={
            "type": "object",
            "properties": {
                "href": {"type": "string"},
                "type": {"type": "string"},
                "bytes": COUNT,
            },
            "required": ["href", "type", "bytes"],
        },
    ),
    "steps": Output(title="Time steps", description="Of the cube.", schema=COUNT),
    "ends": Output(
        title="Ends",
        description="How many time steps could be read (ok, empty), in part (partial), or not (failed); the latter two "
        "only where `incomplete` was asked for.",
        schema={"type": "object", "additionalProperties": {"type": "integer"}},
    ),
}


def check(tools: Tools, inputs: Inputs) -> None:
    """Names, area and size; and that it fits into memory, piece by piece, and into the format."""
    Folder.of(tools.catalogue, "check")
    plan_export(tools.catalogue, ExportOrder.from_inputs(inputs), memory=tools.memory)


def estimate(tools: Tools, inputs: Inputs) -> Estimate:
    export = plan_export(tools.catalogue, ExportOrder.from_inputs(inputs), memory=tools.memory)
    plan = export.plan
    details = {
        "steps": len(plan.slices),
        "width": plan.grid.width,
        "height": plan.grid.height,
        "rows": max(part.height for part in export.parts),
        "sources": plan.cost()["files"],
    }
    return Estimate(
        tasks=len(export.parts),
        files=1,
        read_bytes=plan.read_bytes,
        written_bytes=plan.output_bytes,
        details=details,
    )


def prepare(tools: Tools, work: Work, payload: JSON) -> JSON:
    """Plans the cube, once for all, and cuts it into parts; where they lie is told to all later tasks."""
    export = plan_export(tools.catalogue, ExportOrder.from_inputs(work.inputs), memory=tools.memory)
    folder = Folder.of(tools.catalogue, work.job, work.scratch)
    read = write_plans(export.plan, export.parts, folder)

    def tasks() -> Iterator[NewTask]:
        for number, (part, size) in enumerate(zip(export.parts, read, strict=True)):
            yield NewTask(name=part.name, payload={"part": number}, bytes=size)

    return {"parts": work.hand_over("compute", tasks()), "folder": folder.uri}


def _folder(tools: Tools, work: Work) -> Folder:
    """Where the job has begun, wherever our files lie by now. Raises InvalidInput as `Folder.of`."""
    begun = prepared_of(work).get("folder")
    return Folder(begun, work.scratch) if begun else Folder.of(tools.catalogue, work.job, work.scratch)


def compute(tools: Tools, work: Work, payload: JSON) -> JSON:
    """Some time steps, or rows of one."""
    order, folder = ExportOrder.from_inputs(work.inputs), _folder(tools, work)
    number, read = int(payload["part"]), ReadBytes()
    ends = compute_part(folder, number, incomplete=order.incomplete, progress=work.progress, observer=read)
    return {"ends": ends, "read_bytes": read.total}


def write(tools: Tools, work: Work, payload: JSON) -> JSON:
    """One file of all parts, which go then; the log tells what it lacks."""
    order, folder = ExportOrder.from_inputs(work.inputs), _folder(tools, work)
    parts, read = int(prepared_of(work)["parts"]), ReadBytes()
    if work.attempt > 1 and not _could_be_read(work):
        _compute_anew(work, folder, parts, read)
    size, ends = write_cube(folder, parts, format=order.format, title=order.collection, progress=work.progress)
    warnings = [*_warnings(ends)]
    for line in warnings:
        work.log(line, LogLevel.WARNING)
    cube = {
        "href": f"{folder.uri}/{name_of(order.format)}",
        "type": FORMATS[order.format].media_type,
        "bytes": size,
    }
    counts = Counter(status.value for status, _ in ends)
    return {"cube": cube, "steps": len(ends), "ends": counts, "warnings": warnings, "read_bytes": read.total}


def _could_be_read(work: Work) -> bool:
    """Whether at least one time step of some part could be, when the parts were computed."""
    return any(set(part["ends"]) - {SliceStatus.FAILED.value} for part in work.previous("compute"))


def _compute_anew(work: Work, folder: Folder, parts: int, read: ReadBytes) -> None:
    """All parts, one after the other: their tasks are done, and a job goes back to no stage that has ended well."""
    for number in range(parts):

        def tell(share: float, message: str, number: int = number) -> None:
            work.progress((number + share) / parts, f"part {number + 1} of {parts} is read anew: {message}")

        compute_part(folder, number, incomplete=True, progress=tell, observer=read)


def _warnings(ends: Sequence[tuple[SliceStatus, str]]) -> Iterator[str]:
    """What people may take for a mistake unless they are told."""
    if not {status for status, _ in ends} - {SliceStatus.EMPTY, SliceStatus.FAILED}:
        yield "the cube is empty: not one of its pixels is valid"
    if lacking := summary(ends):
        yield lacking


def clean(tools: Tools, work: Work, payload: JSON) -> JSON:
    """The parts are not needed any more."""
    folder = f"{_folder(tools, work).uri}/parts"
    remove_files(files_below(folder), folder)
    written = dict(next(iter(work.previous("write"))))
    written.pop("read_bytes", None)  # they are counted
    warnings = written.pop("warnings", ())
    told = "; ".join((EXPORT_CUBE.stage("done").meaning.rstrip("."), *warnings))
    return {**written, **({"message": told} if warnings else {})}


def roll_back(tools: Tools, work: Work, payload: JSON) -> JSON:
    """Nothing of it is left."""
    folder = _folder(tools, work).uri
    files = files_below(folder)
    remove_files(files, folder)
    return {"files": len(files)}


PROCESS = Process(
    id="export-cube",
    title="Export a cube",
    description="Computes a cube of a collection that is larger than one answer may be, some time steps at once or "
    "some rows of a large one, and puts it into the storage as one COG, NetCDF or Zarr: the same pixels that the "
    "coverage has.",
    keywords=("cube", "coverage", "export"),
    inputs=_INPUTS,
    outputs=_OUTPUTS,
    machine=EXPORT_CUBE,
    bodies={
        "export.prepare": prepare,
        "export.part": compute,
        "export.write": write,
        "export.clean": clean,
        "export.rollback": roll_back,
    },
    estimate=estimate,
    check=check,
    synchronous=True,
    waits_if_small=True,
    reads=reads_always,
)
