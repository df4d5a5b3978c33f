"""Slabs: what one task writes. How the records of a cell become files. Pure.

plan_cell(datasets of a cell) ─ what lies there already as wanted   stays as it is, when its file is full
                              ─ or is copied, block by block        when other dates join its file
                              ─ all else                            is read and written anew
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Any

from prismcube.model.cells import Cell
from prismcube.model.entities import Dataset
from prismcube.model.grid import Grid


@dataclass(frozen=True, kw_only=True)
class Page:
    """A date of a file to be written."""

    record: int
    """Id; 0: the new record that all are collapsed into."""
    datasets: tuple[int, ...]
    """Ids of its sources, the last on top; of a copy just one."""
    is_copy: bool = False
    """True: its blocks are copied as they are."""

    def to_json(self) -> list[Any]:
        return [self.record, list(self.datasets), int(self.is_copy)]

    @classmethod
    def from_json(cls, document: Sequence[Any]) -> Page:
        record, datasets, is_copy = document
        return cls(record=int(record), datasets=tuple(map(int, datasets)), is_copy=bool(is_copy))


@dataclass(frozen=True, kw_only=True)
class Slab:
    """A file to be written: some records of an instance in one cell."""

    instance: int
    """Id."""
    cell: Cell
    number: int
    """Among those of the cell, from 0 on."""
    pages: tuple[Page, ...]
    """By time."""
    uri: str = ""
    """Of the file."""
    alpha: bool = False
    """True: a band of its own tells which pixels are valid."""

    @property
    def datasets(self) -> tuple[int, ...]:
        """All its sources, each once."""
        return tuple(dict.fromkeys(id for page in self.pages for id in page.datasets))

    def to_json(self) -> dict[str, Any]:
        return {
            "instance": self.instance,
            "cell": {"id": self.cell.id, **self.cell.grid.to_json()},
            "number": self.number,
            "pages": [page.to_json() for page in self.pages],
            "uri": self.uri,
            "alpha": self.alpha,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Slab:
        cell = dict(document["cell"])
        return cls(
            instance=int(document["instance"]),
            cell=Cell(cell.pop("id"), Grid.from_json(cell)),
            number=int(document["number"]),
            pages=tuple(map(Page.from_json, document["pages"])),
            uri=document["uri"],
            alpha=bool(document["alpha"]),
        )


@dataclass(frozen=True, kw_only=True)
class CellPlan:
    """What becomes of the datasets of a cell."""

    slabs: tuple[Slab, ...] = ()
    kept: tuple[int, ...] = ()
    """Datasets that were asked for and stay as they are."""
    replaced: tuple[int, ...] = ()
    """Datasets that the new ones stand for; of those that are copied nobody may have asked."""


def plan_cell(
    cell: Cell,
    datasets: Iterable[Dataset],
    *,
    instance: int,
    max_records: int,
    is_wanted: Callable[[Dataset], bool],
    is_settled: Callable[[Dataset], bool],
) -> CellPlan:
    """The files of a cell.

    `datasets` are all active ones of the instance that touch the cell. `is_wanted`: they are asked for; `is_settled`:
    they lie in this cell already, in a file of this layout, as it is to be written now.

    Each record that is wanted ends up in one file. Of settled ones only those move whose file is not full, and only
    when something joins them.
    """
    by_record: dict[int, list[Dataset]] = defaultdict(list)
    wanted: set[int] = set()
    for one in sorted(datasets, key=lambda d: (d.time, d.id or 0)):
        by_record[one.record_id].append(one)
    new: list[tuple[datetime, Page]] = []
    settled: dict[int, list[Dataset]] = defaultdict(list)
    for record, theirs in by_record.items():
        if len(theirs) == 1 and is_settled(theirs[0]):
            settled[theirs[0].container_id].append(theirs[0])
        elif asked := {one.id or 0 for one in theirs if is_wanted(one)}:
            wanted |= asked
            new.append((theirs[0].time, Page(record=record, datasets=tuple(one.id or 0 for one in theirs))))
    joined = [one for some in settled.values() if new and len(some) < max_records for one in some]
    stays = {one.id for one in joined}
    kept = [one.id or 0 for some in settled.values() for one in some if one.id not in stays and is_wanted(one)]
    old = [(one.time, Page(record=one.record_id, datasets=(one.id or 0,), is_copy=True)) for one in joined]
    pages = [page for _, page in sorted(new + old, key=lambda pair: (pair[0], pair[1].record))]
    return CellPlan(
        slabs=_slabs(cell, pages, instance=instance, max_records=max_records),
        kept=tuple(kept),
        replaced=tuple(id for page in pages for id in page.datasets if page.is_copy or id in wanted),
    )


def plan_collapsed(cell: Cell, datasets: Iterable[Dataset], *, instance: int) -> CellPlan:
    """One file of one date for a cell: all records in one, the latest on top."""
    ids = tuple(one.id or 0 for one in sorted(datasets, key=lambda d: (d.time, d.id or 0)))
    pages = [Page(record=0, datasets=ids)] if ids else []
    return CellPlan(slabs=_slabs(cell, pages, instance=instance, max_records=1))


def _slabs(cell: Cell, pages: Sequence[Page], *, instance: int, max_records: int) -> tuple[Slab, ...]:
    return tuple(
        Slab(instance=instance, cell=cell, number=number, pages=tuple(some))
        for number, some in enumerate(batched(pages, max_records))
    )
