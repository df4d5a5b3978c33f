"""Datasets go, and with the last of a file that is ours the file.

    choose ─ lock ─ mark      readers don't see them any more          may be taken back
                  ─ files     one by one; what is gone already is gone
                  ─ remove    rows of datasets, and entries of files that are gone or not ours

Each step may be run again after it was broken off anywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import batched
from typing import Any

from prismcube.catalogue import Catalogue
from prismcube.catalogue.datasets import DatasetFilter
from prismcube.consolidation.ranges import from_ranges, to_ranges
from prismcube.consolidation.selection import Selection, choose, datasets, pages
from prismcube.errors import Conflict, InvalidInput, SourceError
from prismcube.model.entities import Container, Dataset, DatasetStatus
from prismcube.model.pattern import Pattern
from prismcube.storage import store
from prismcube.storage.buckets import Missing
from prismcube.storage.managed import is_below
from prismcube.storage.uri import without_secret

FILES_A_TASK = 50
BATCH = 500
"""Datasets a transaction."""


@dataclass(frozen=True, kw_only=True)
class DeletionOrder:
    """What is to be deleted; all that is given must hold."""

    selection: Selection
    ids: tuple[int, ...] | None = None
    """Of datasets."""
    uri: str = ""
    """Pattern of the files' URIs; empty: any."""
    status: DatasetStatus | None = None
    """None: any."""

    @classmethod
    def from_inputs(cls, inputs: Mapping[str, Any]) -> DeletionOrder:
        """Of the inputs of the process. Raises InvalidInput naming one."""
        ids = inputs.get("datasets")
        selection = Selection.from_inputs(inputs)
        try:
            Pattern(inputs.get("uri") or "")
        except InvalidInput as error:
            raise InvalidInput("uri", error.reason) from error
        order = cls(
            selection=selection,
            ids=None if ids is None else from_ranges("datasets", ids),
            uri=inputs.get("uri") or "",
            status=DatasetStatus(inputs["status"]) if inputs.get("status") else None,
        )
        narrowed = selection.instances or selection.collection or selection.filters_records or selection.area
        if not (narrowed or order.uri or order.ids is not None):
            raise InvalidInput("datasets", "give datasets, records, instances, a collection or uri")
        return order

    def datasets(self, catalogue: Catalogue) -> Iterator[Dataset]:
        """Those that are meant. Raises NotFound for names that are none."""
        chosen = choose(catalogue, self.selection)
        return datasets(
            catalogue,
            chosen,
            status=self.status,
            uri=Pattern(self.uri) if self.uri else None,
            ids=self.ids,
        )


@dataclass(frozen=True, kw_only=True)
class DeletionPlan:
    """What a deletion does."""

    by_status: Mapping[DatasetStatus, tuple[int, ...]]
    """Ids of datasets by the status that they have now."""
    files: tuple[Container, ...]
    """Ours, and without any other dataset."""

    @property
    def ids(self) -> tuple[int, ...]:
        return ids_of(self.by_status)

    def to_json(self) -> dict[str, Any]:
        """Without the files, which tasks have."""
        return {status.value: to_ranges(ids) for status, ids in self.by_status.items()}


def statuses_from_json(document: Mapping[str, Any]) -> dict[DatasetStatus, tuple[int, ...]]:
    """The inverse of `DeletionPlan.to_json`."""
    return {DatasetStatus(name): from_ranges("datasets", ranges) for name, ranges in document.items()}


def ids_of(by_status: Mapping[DatasetStatus, Sequence[int]]) -> tuple[int, ...]:
    """All, sorted."""
    return tuple(sorted(id for ids in by_status.values() for id in ids))


def plan_deletion(catalogue: Catalogue, order: DeletionOrder) -> DeletionPlan:
    """Raises InvalidInput when nothing is meant, NotFound for names that are none."""
    plan = _plan_of(catalogue, order.datasets(catalogue))
    if not plan.by_status:
        raise InvalidInput("datasets", "no dataset is meant by this selection")
    return plan


def lock_planned(catalogue: Catalogue, order: DeletionOrder, *, job: str) -> DeletionPlan:
    """The plan of what is meant, and locked: as it is then, for another job may have changed it until now.

    Raises as `plan_deletion`, and Conflict when another job holds one of the datasets, or has changed its status.
    """
    ids = plan_deletion(catalogue, order).ids
    catalogue.datasets.lock(ids, job)
    plan = _plan_of(catalogue, pages(catalogue, DatasetFilter(ids=ids)))
    for status, theirs in plan.by_status.items():
        if order.status not in (None, status):
            raise Conflict("dataset", theirs[0], f"became {status.value} meanwhile; a retry plans anew")
    return plan


def _plan_of(catalogue: Catalogue, meant: Iterable[Dataset]) -> DeletionPlan:
    by_status: dict[DatasetStatus, list[int]] = defaultdict(list)
    containers: dict[int, int] = defaultdict(int)
    for one in meant:
        by_status[one.status].append(one.id or 0)
        containers[one.container_id] += 1
    files = []
    for some in batched(sorted(containers), BATCH):
        managed = [one for one in catalogue.containers.get_many(some) if one.managed]
        left = dict.fromkeys((one.id or 0 for one in managed), 0)
        for one in pages(catalogue, DatasetFilter(containers=tuple(left))):
            left[one.container_id] += 1
        files += [one for one in managed if left[one.id or 0] == containers[one.id or 0]]
    return DeletionPlan(
        by_status={status: tuple(ids) for status, ids in by_status.items()},
        files=tuple(files),
    )


def mark(catalogue: Catalogue, ids: Sequence[int], *, job: str) -> None:
    """Readers don't see them any more. Raises Conflict when another job holds one of them."""
    catalogue.datasets.set_status(ids, DatasetStatus.TO_DELETE, job=job)


def delete_file(catalogue: Catalogue, uri: str) -> None:
    """Remove a file that is ours; one that is gone already is no mistake. Raises SourceError when it can't be done."""
    if catalogue.managed is None or not is_below(uri, catalogue.managed):
        raise SourceError(
            without_secret(uri), f"lies outside {catalogue.managed}, whose files alone are ours to delete"
        )
    with suppress(Missing):
        store.delete(uri)


def remove(
    catalogue: Catalogue, ids: Iterable[int], *, job: str, files: Iterable[int] = (), gone: Iterable[int] = ()
) -> set[int]:
    """Remove rows of datasets, and the entries of files that are not ours or not there.

    `files`: ids of the entries that are to go with them, of which those `gone` are known not to be there. Those whose
    file may be there still are returned. What is missing already is no mistake. Raises Conflict when another job holds
    one of the datasets.
    """
    left: set[int] = set()
    absent = set(gone)
    for some in batched(ids, BATCH):
        known = [*pages(catalogue, DatasetFilter(ids=tuple(some)))]
        theirs = catalogue.containers.get_many({one.container_id for one in known})
        absent |= {one.id or 0 for one in theirs if one.managed and one.id not in absent and not _may_exist(one.uri)}
        present = [one.id or 0 for one in known]
        with catalogue.transaction() as unit:
            unit.datasets.unlock(job, only=present)
            unit.datasets.delete(present)
            unit.containers.delete([one.id or 0 for one in theirs if not one.managed], keep_referenced=True)
    for some in batched(sorted(set(files) - absent), BATCH):
        without = catalogue.containers.deletable(some, keep_referenced=True).deleted
        for one in catalogue.containers.get_many(without):
            (left if _may_exist(one.uri) else absent).add(one.id or 0)
    for some in batched(sorted(absent), BATCH):
        catalogue.containers.delete(some, keep_referenced=True)
    return left


def _may_exist(uri: str) -> bool:
    try:
        return store.exists(uri)
    except SourceError:  # it can't be told now
        return True


def roll_back(catalogue: Catalogue, former: Mapping[DatasetStatus, Sequence[int]], *, job: str) -> tuple[int, int]:
    """Datasets get back the status that they had; those whose file is gone are removed. (how many are back, gone).

    By one transaction, and as long as the job has its locks: without them it is done, and others may have gone on.
    """
    known = {one.id or 0: one for one in pages(catalogue, DatasetFilter(ids=ids_of(former)))}
    gone, containers = _without_file(catalogue, known.values())
    with catalogue.transaction() as unit:
        if not unit.datasets.unlock(job):
            return 0, 0
        back = {status: [id for id in ids if id in known and id not in gone] for status, ids in former.items()}
        unit.datasets.swap(back)
        unit.datasets.delete(sorted(gone))
        unit.containers.delete(sorted(containers), keep_referenced=True)
    return sum(map(len, back.values())), len(gone)


def _without_file(catalogue: Catalogue, known: Iterable[Dataset]) -> tuple[set[int], set[int]]:
    """Ids of datasets of files of ours that are not there any more, and of these files' entries."""
    by_container: dict[int, list[int]] = defaultdict(list)
    for one in known:
        by_container[one.container_id].append(one.id or 0)
    containers = {
        one.id or 0 for one in catalogue.containers.get_many(by_container) if one.managed and not store.exists(one.uri)
    }
    return {id for container in containers for id in by_container[container]}, containers
