"""Consolidate: datasets are rewritten on the grid of a layout, many dates to a file, and take the old ones' place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from prismcube.catalogue.datasets import DatasetFilter
from prismcube.catalogue.documents import Stored
from prismcube.consolidation.planning import InstancePlan, Order, Planner, Target, check_unchanged, record_of
from prismcube.consolidation.publishing import Publisher, WrittenFile, check_files, publish, roll_back_files
from prismcube.consolidation.ranges import from_ranges, to_ranges
from prismcube.consolidation.selection import pages
from prismcube.consolidation.slab import Slab
from prismcube.cube.observer import ReadBytes
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.consolidation import Compression, ConsolidationParams, StorageClass
from prismcube.model.entities import RESAMPLINGS, Record
from prismcube.model.layout import Layout
from prismcube.model.machines import CONSOLIDATE
from prismcube.model.work import NewTask, Work
from prismcube.storage import store
from processes.inputs import COLLECTION, FILTER, INSTANCES, RECORDS
from processes.process import Estimate, Input, Inputs, Output, Process, reads_always
from processes.shared import COUNT, FORMAT, JSON, check_unlocked, prepared_of
from processes.tools import Tools

GLANCE = 100
"""Cells whose datasets are looked at before there is a job, which looks at all of them."""

_SETTINGS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "format": FORMAT,
        "exponent": {"type": "number", "exclusiveMinimum": 0},
        "compression": {"enum": [one.value for one in Compression]},
        "max_error": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "creation_options": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
        "resampling": {"enum": list(RESAMPLINGS)},
        "overview_resampling": {"enum": ["", *RESAMPLINGS]},
        "storage_class": {"enum": [one.value for one in StorageClass]},
    },
    "additionalProperties": False,
}

_INPUTS = {
    "instances": INSTANCES,
    "collection": COLLECTION,
    "records": RECORDS,
    "filter": FILTER,
    "layout": Input(
        title="Layout",
        description="Name of the layout: its cells, records a file, blocks and their order.",
        schema={"type": "string", "minLength": 1, "maxLength": 100},
        example="demo-series",
        required=True,
    ),
    "consolidation": Input(
        title="Settings",
        description="Members of consolidation settings in place of those of the variable: format, exponent, "
        "compression (none, lossless, lossy, custom), resampling, storage class.",
        schema=_SETTINGS,
        example={"compression": "lossless", "resampling": "bilinear"},
    ),
    "uri": Input(
        title="Names of files",
        description="Template below the folder whose files are ours. Fields: {layout}, {job}, {variable}, {instance}, "
        "{cell}, {number}, {first}, {last}; one folder must be {job}.",
        schema={"type": "string", "minLength": 1, "maxLength": 500},
        example="consolidated/{layout}/{job}/{variable}/{instance}/{cell}/{number}.tif",
    ),
    "collapse": Input(
        title="Collapse",
        description="One new record that all records become, the latest on top; the sources stay as they are.",
        schema={
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 500},
                "time": {"type": "string", "maxLength": 40},
                "tags": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 500}},
            },
            "required": ["name", "time"],
            "additionalProperties": False,
        },
        example={"name": "mosaic-2020", "time": "2020-12-31", "tags": {"kind": "mosaic"}},
    ),
}

_OUTPUTS = {
    "files": Output(title="Files", description="How many were written.", schema=COUNT),
    "bytes": Output(title="Bytes", description="Of these files.", schema=COUNT),
    "datasets": Output(title="Datasets", description="That readers have now in place of the old ones.", schema=COUNT),
    "replaced": Output(title="Replaced", description="Datasets that were marked for deletion.", schema=COUNT),
    "kept": Output(title="Kept", description="Datasets that lay there already as wanted.", schema=COUNT),
    "deletion": Output(
        title="Deletion",
        description="Id of the job that deletes old files that are ours; null when there are none.",
        schema={"type": ["string", "null"]},
    ),
}


def check(tools: Tools, inputs: Inputs) -> None:
    """Names, settings, template and grid; and that no other job holds the datasets, as far as a glance can tell."""
    planner = Planner(tools.catalogue, Order.from_inputs(inputs), job="check")
    for one in islice(planner.cells(), GLANCE):
        check_unlocked(tools, [id for slab in one.plan.slabs for id in slab.datasets])


def estimate(tools: Tools, inputs: Inputs) -> Estimate:
    planner = Planner(tools.catalogue, Order.from_inputs(inputs), job="estimate")
    tasks = read = written = dates = copied = kept = 0
    for one in planner.cells():
        tools.stop()
        kept += len(one.plan.kept)
        for slab in one.plan.slabs:
            tasks += 1
            bands = len(one.target.variable.bands) + slab.alpha
            written += slab.cell.grid.pixels * bands * one.target.params.format.itemsize * len(slab.pages)
            dates += sum(not page.is_copy for page in slab.pages)
            copied += sum(page.is_copy for page in slab.pages)
            read += _bytes_of(one, slab)
    details = {"dates": dates, "copiedDates": copied, "kept": kept}
    return Estimate(tasks=tasks, files=tasks, read_bytes=read, written_bytes=written, details=details)


def prepare(tools: Tools, work: Work, payload: JSON) -> JSON:
    """Plans and locks, cell by cell; all that is locked stays so when it fails, until it goes on or is cancelled."""
    planner = Planner(tools.catalogue, Order.from_inputs(work.inputs), job=work.job)
    old: set[int] = set()
    kept: set[int] = set()

    def tasks() -> Iterator[NewTask]:
        for one in planner.cells():
            theirs = sorted({id for slab in one.plan.slabs for id in slab.datasets})
            tools.catalogue.datasets.lock(theirs, work.job)
            check_unchanged(tools.catalogue, [one.datasets[id] for id in theirs])
            kept.update(one.plan.kept)
            old.update(one.plan.replaced)
            _check_apart(one, old, kept)
            for slab in one.plan.slabs:
                name = f"{one.target.variable.name}/{one.target.instance.name} {slab.cell.id} {slab.number}"
                yield NewTask(name=name, payload=slab.to_json(), bytes=_bytes_of(one, slab))
            work.progress(0, f"{len(old)} datasets")

    count = work.hand_over("consolidate", tasks())
    collapse = planner.order.collapse
    work.log(f"{count} files to write, {len(old)} datasets to replace, {len(kept)} kept as they are")
    return {
        "files": count,
        "layout": {"id": planner.layout.id, "document": planner.layout.value.to_json()},
        "old": to_ranges(old),
        "managed": to_ranges(_managed(tools, tuple(old))),
        "kept": len(kept),
        "makesRecord": collapse is not None and tools.catalogue.records.find(collapse) is None,
        "folders": list(planner.folders),
        "params": {str(id): one.params.to_json() for id, one in planner.targets.items()},
    }


def _check_apart(one: InstancePlan, old: set[int], kept: set[int]) -> None:
    """Raises InvalidInput: a dataset that stays for one cell can't be given up by another."""
    both = [*old.intersection(one.plan.kept), *kept.intersection(one.plan.replaced)]
    if both:
        raise InvalidInput("layout", f"dataset {min(both)} would stay in one cell, and be replaced by another")


def _bytes_of(one: InstancePlan, slab: Slab) -> int:
    """Decoded bytes of the sources that are read; those that are copied are not."""
    sources = [one.datasets[id] for page in slab.pages if not page.is_copy for id in page.datasets]
    return sum(d.grid.pixels * len(d.bands) * d.format.itemsize for d in sources)


def _layout(prepared: JSON) -> Stored[Layout]:
    document = prepared["layout"]
    return Stored(document["id"], Layout.from_json(document["document"]))


def _check_layout(tools: Tools, planned: Stored[Layout]) -> None:
    """From now on it stays as it is, since files are written in it. Raises Conflict when it is another one, or gone."""
    try:
        now = tools.catalogue.layouts.get_by_id(planned.id)
    except NotFound as error:
        raise Conflict("layout", planned.value.name, "was removed meanwhile; cancel this job") from error
    if replace(now.value, name=planned.value.name) != planned.value:
        raise Conflict("layout", planned.value.name, "was changed meanwhile; change it back, or cancel this job")


def _target(tools: Tools, prepared: JSON, id: int) -> Target:
    """How an instance is written: as it was said when the job was prepared, whatever is said now."""
    instance = tools.catalogue.instances.get_by_id(id)
    variable = tools.catalogue.variables.get_by_id(instance.variable_id)
    return Target(
        variable=variable, instance=instance, params=ConsolidationParams.from_json(prepared["params"][str(id)])
    )


def _collapse(work: Work) -> Record | None:
    return record_of(work.inputs.get("collapse"))


def write_slab(tools: Tools, work: Work, payload: JSON) -> JSON:
    """One file; what an earlier attempt has written is written again, and is the same."""
    from prismcube.consolidation.writing import SlabWriter  # brings kernels, of which asking for jobs needs none

    slab, prepared, read = Slab.from_json(payload), prepared_of(work), ReadBytes()
    writer = SlabWriter(
        catalogue=tools.catalogue,
        layout=_layout(prepared).value,
        target=_target(tools, prepared, slab.instance),
        collapse=_collapse(work),
        memory=tools.memory,
        threads=tools.threads,
        progress=work.progress,
        observer=read,
    )
    dates = writer.write(slab, work.scratch)
    if not dates:
        work.log(f"{slab.cell.id} {slab.number}: no date has a valid pixel, so there is no file")
        etag, size = "", 0
    else:
        status = store.stat(slab.uri)
        etag, size = status.etag, status.size
    written = WrittenFile(slab=slab, etag=etag, size=size, dates=dates)
    return {**written.to_json(), "read_bytes": read.total}


def index(tools: Tools, work: Work, payload: JSON) -> JSON:
    """New files and datasets become rows, which readers don't see."""
    count = size = dates = 0
    prepared, collapse = prepared_of(work), _collapse(work)
    _check_layout(tools, _layout(prepared))
    total = int(prepared["files"]) or 1
    publisher = Publisher(
        catalogue=tools.catalogue,
        job=work.job,
        layout=_layout(prepared),
        targets={int(id): _target(tools, prepared, int(id)) for id in prepared["params"]},
        collapse=collapse,
    )

    def counted() -> Iterator[WrittenFile]:
        nonlocal size, dates
        for one in _written(work):
            size, dates = size + one.size, dates + len(one.dates)
            yield one

    if collapse is not None:
        publisher.make_record(collapse, _written(work))
    for number in publisher.index(counted()):
        count += number
        work.progress(min(count / total, 1.0), f"{count} files")
    return {"files": count, "bytes": size, "datasets": dates}


def swap(tools: Tools, work: Work, payload: JSON) -> JSON:
    """Readers get the new datasets in place of the old ones."""
    old = from_ranges("old", prepared_of(work)["old"])
    check_files(_written(work))
    publish(tools.catalogue, old, job=work.job, collapse=_collapse(work))
    return {}


def _written(work: Work) -> Iterator[WrittenFile]:
    return map(WrittenFile.from_json, work.previous("consolidate"))


def clean(tools: Tools, work: Work, payload: JSON) -> JSON:
    """All is unlocked; a job deletes old files as far as they are ours.

    That job is asked for in the same words each time, whatever it has deleted meanwhile: it is the same job then.
    """
    prepared = prepared_of(work)
    old, managed = from_ranges("old", prepared["old"]), from_ranges("managed", prepared["managed"])
    tools.catalogue.datasets.unlock(work.job)  # first: who has lost a file for good can make old datasets active again
    check_files(_written(work))
    deletion = None
    if managed:
        inputs = {"datasets": prepared["managed"], "status": "to-delete", "grace": tools.grace}
        deletion = tools.submit("delete-datasets", inputs, key=f"{work.job}/clean")
        work.log(f"job {deletion} deletes {len(managed)} old datasets with their files")
    if number := len(old) - len(managed):
        work.log(f"{number} old datasets are of files that are not ours: they stay, marked for deletion")
    written = next(iter(work.previous("index")))
    return {
        **written,
        "replaced": len(old),
        "kept": prepared["kept"],
        "deletion": deletion,
    }


def _managed(tools: Tools, ids: tuple[int, ...]) -> list[int]:
    """Of datasets, those of files that are ours."""
    known = [*pages(tools.catalogue, DatasetFilter(ids=ids))]
    containers = tools.catalogue.containers.get_many({one.container_id for one in known})
    ours = {one.id for one in containers if one.managed}
    return [one.id or 0 for one in known if one.container_id in ours]


def roll_back(tools: Tools, work: Work, payload: JSON) -> JSON:
    """All is as it was before the job."""
    prepared = prepared_of(work)
    if not prepared:  # it was cancelled before it was planned, or could not be
        tools.catalogue.datasets.unlock(work.job)
        return {"files": 0}
    old = from_ranges("old", prepared["old"])
    made = _collapse(work) if prepared["makesRecord"] else None
    count = roll_back_files(tools.catalogue, old, prepared["folders"], job=work.job, collapse=made)
    work.log(f"{count} files were removed")
    return {"files": count}


PROCESS = Process(
    id="consolidate",
    title="Consolidate datasets",
    description="Rewrites datasets on the grid of a layout: one file a cell and slab of records, many dates to a file, "
    "in the order in which series and cubes are read. Readers get the new files at one instant; old ones are deleted "
    "by a job of their own.",
    keywords=("consolidation", "COG", "MUCOG"),
    inputs=_INPUTS,
    outputs=_OUTPUTS,
    machine=CONSOLIDATE,
    bodies={
        "consolidate.prepare": prepare,
        "consolidate.slab": write_slab,
        "consolidate.index": index,
        "consolidate.swap": swap,
        "consolidate.clean": clean,
        "consolidate.rollback": roll_back,
    },
    estimate=estimate,
    check=check,
    reads=reads_always,
)
