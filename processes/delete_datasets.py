"""Delete datasets: readers don't see them any more, then files of ours go, then rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import batched

from prismcube.consolidation.deletion import (
    FILES_A_TASK,
    DeletionOrder,
    delete_file,
    ids_of,
    lock_planned,
    mark,
    plan_deletion,
    remove,
    roll_back,
    statuses_from_json,
)
from prismcube.consolidation.ranges import from_ranges, to_ranges
from prismcube.errors import NotYet, SourceError
from prismcube.model.entities import DatasetStatus, own_etag
from prismcube.model.machines import DELETE_DATASETS
from prismcube.model.period import format_instant, parse_instant
from prismcube.model.work import LogLevel, NewTask, Work
from prismcube.storage.sizes import Sizes
from processes.inputs import COLLECTION, DATASETS, FILTER, INSTANCES, RECORDS
from processes.process import Estimate, Input, Inputs, Output, Process
from processes.shared import COUNT, JSON, check_unlocked, prepared_of
from processes.tools import Tools

_INPUTS = {
    "datasets": DATASETS,
    "instances": INSTANCES,
    "collection": COLLECTION,
    "records": RECORDS,
    "filter": FILTER,
    "uri": Input(
        title="Files",
        description="Pattern of the URIs of the datasets' files (`*`, `?`).",
        schema={"type": "string", "minLength": 1, "maxLength": 2000},
        example="*/S2_2015*.tif",
    ),
    "status": Input(
        title="Status",
        description="Only datasets of this status.",
        schema={"enum": [one.value for one in DatasetStatus]},
        example="active",
    ),
    "grace": Input(
        title="Grace",
        description="Seconds that files stay after readers don't see their datasets any more: cubes that are being "
        "read may have been planned before. By default `prismcube.jobs.grace_seconds`.",
        schema={"type": "number", "minimum": 0, "maximum": 86400},
        example=60,
    ),
}

_OUTPUTS = {
    "datasets": Output(title="Datasets", description="How many were removed.", schema=COUNT),
    "files": Output(title="Files", description="Of ours that are gone.", schema=COUNT),
    "left": Output(title="Files left", description="Of ours that could not be deleted.", schema=COUNT),
}


def check(tools: Tools, inputs: Inputs) -> None:
    """Names; and that no other job holds the datasets."""
    check_unlocked(tools, plan_deletion(tools.catalogue, DeletionOrder.from_inputs(inputs)).ids)


def estimate(tools: Tools, inputs: Inputs) -> Estimate:
    plan = plan_deletion(tools.catalogue, DeletionOrder.from_inputs(inputs))
    tasks = -(-len(plan.files) // FILES_A_TASK)
    sizes = Sizes(stop=tools.stop)
    for one in plan.files:
        sizes.add(one.uri, etag=own_etag(one.etag))
    details = {"datasets": len(plan.ids), "deletedBytes": sizes.total}
    return Estimate(tasks=tasks, files=len(plan.files), read_bytes=0, written_bytes=0, details=details)


def prepare(tools: Tools, work: Work, payload: JSON) -> JSON:
    """Chooses and locks."""
    plan = lock_planned(tools.catalogue, DeletionOrder.from_inputs(work.inputs), job=work.job)

    def tasks() -> Iterator[NewTask]:
        for number, some in enumerate(batched(plan.files, FILES_A_TASK)):
            files = [[one.id, one.uri] for one in some]
            yield NewTask(name=f"files {number * FILES_A_TASK + 1} and on", payload={"files": files})

    work.hand_over("delete-files", tasks())
    work.log(f"{len(plan.ids)} datasets and {len(plan.files)} files to delete")
    return {"former": plan.to_json(), "files": to_ranges(one.id or 0 for one in plan.files)}


def mark_all(tools: Tools, work: Work, payload: JSON) -> JSON:
    """Readers don't see them any more."""
    ids = ids_of(statuses_from_json(prepared_of(work)["former"]))
    mark(tools.catalogue, ids, job=work.job)
    return {"time": format_instant(datetime.now(UTC))}


def delete_files(tools: Tools, work: Work, payload: JSON) -> JSON:
    """Some files; those that can be deleted are, also when others can't."""
    _check_time(tools, work)
    gone, problems = [], []
    files = payload["files"]
    for number, (id, uri) in enumerate(files, start=1):
        try:
            delete_file(tools.catalogue, uri)
            gone.append(int(id))
        except SourceError as error:
            problems.append(error)
            work.log(str(error), LogLevel.WARNING)
        work.progress(number / len(files), f"{len(gone)} of {len(files)} files")
    if problems:
        more = f" (and {len(problems) - 1} more, see the log)" if len(problems) > 1 else ""
        raise SourceError(problems[0].uri, f"{problems[0].reason}{more}")
    return {"gone": to_ranges(gone)}


def _check_time(tools: Tools, work: Work) -> None:
    """Raises NotYet while somebody may read the files who planned it before the datasets were marked."""
    marked = next((parse_instant(one["time"]) for one in work.previous("mark")), datetime.now(UTC))
    until = marked + timedelta(seconds=float(work.inputs.get("grace", tools.grace)))
    left = (until - datetime.now(UTC)).total_seconds()
    if left > 0:
        raise NotYet(f"files stay {left:.0f} s more for those who read them")


def remove_rows(tools: Tools, work: Work, payload: JSON) -> JSON:
    """Of datasets; of files that are there still the catalogue keeps the entries."""
    prepared = prepared_of(work)
    ids, files = ids_of(statuses_from_json(prepared["former"])), from_ranges("files", prepared["files"])
    gone = {id for one in work.previous("delete-files") for id in from_ranges("gone", one["gone"])}
    left = remove(tools.catalogue, ids, job=work.job, files=files, gone=gone)
    if left:
        work.log(f"{len(left)} files may be there still; a retry tries them again", LogLevel.WARNING)
    return {"datasets": len(ids), "files": len(files) - len(left), "left": len(left)}


def take_back(tools: Tools, work: Work, payload: JSON) -> JSON:
    """Datasets get back the status that they had."""
    prepared = prepared_of(work)
    if not prepared:
        tools.catalogue.datasets.unlock(work.job)
        return {"back": 0, "gone": 0}
    back, gone = roll_back(tools.catalogue, statuses_from_json(prepared["former"]), job=work.job)
    if gone:
        work.log(f"the files of {gone} datasets were gone already: these datasets are removed", LogLevel.WARNING)
    return {"back": back, "gone": gone}


PROCESS = Process(
    id="delete-datasets",
    title="Delete datasets",
    description="Removes datasets from the catalogue, and their files as far as they are ours and hold no other "
    "dataset. Readers don't see them from one instant on. A file that is gone already counts as deleted.",
    keywords=("deletion",),
    inputs=_INPUTS,
    outputs=_OUTPUTS,
    machine=DELETE_DATASETS,
    bodies={
        "delete.prepare": prepare,
        "delete.mark": mark_all,
        "delete.files": delete_files,
        "delete.remove": remove_rows,
        "delete.remove-rest": remove_rows,
        "delete.rollback": take_back,
    },
    estimate=estimate,
    check=check,
)
