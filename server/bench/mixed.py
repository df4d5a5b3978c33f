"""Two readers, an indexer and another writer at once, each a process of its own, as servers and workers are.

Each goes on without a pause until its time is over, and tells how long every call took and every error it got.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

from prismcube.catalogue import Catalogue, Change, FileEntry
from prismcube.errors import PrismcubeError
from prismcube.model.entities import Record
from server.bench import data
from server.bench.figures import Figure, calls_figure

FILES = 50
"""A call of the indexer, as few as it may hand over: the more calls, the more the writers meet."""
FIRST = 10_000_000
"""Numbers of files and records that nobody else has."""
AMONG = 90.0
"""Seconds that processes may take to start and end."""


@dataclass(kw_only=True)
class Told:
    """What a process says at its end."""

    role: str
    taken: list[float] = field(default_factory=list)
    """Seconds of each call that succeeded."""
    errors: Counter[str] = field(default_factory=Counter)


def figures(url: str, database: str, *, datasets: int, seconds: int) -> Iterator[Figure]:
    """Let them loose on a catalogue that has the bench's collection with so many files."""
    spawn = multiprocessing.get_context("spawn")  # engines must not be forked
    answers: Queue[Told] = spawn.Queue()
    begin = spawn.Barrier(len(ROLES))
    processes = [
        spawn.Process(target=_process, args=(role, url, datasets, seconds, begin, answers), daemon=True)
        for role in ROLES
    ]
    for process in processes:
        process.start()
    told = [answers.get(timeout=seconds + AMONG) for _ in processes]
    for process in processes:
        process.join(AMONG)
    load = f"two readers, an indexer and a writer for {seconds} s"
    for role, name in NAMES.items():
        taken = [one for answer in told if answer.role in (role, f"second {role}") for one in answer.taken]
        if taken:
            yield calls_figure(f"{name}, under load", database, taken)
    errors = sum((answer.errors for answer in told), Counter[str]())
    note = "; ".join(f"{number} × {text}" for text, number in errors.most_common(3)) or load
    yield Figure(name="errors under load", database=database, unit="errors", value=errors.total(), bar=0, note=note)


def _process(role: str, url: str, datasets: int, seconds: int, begin: Barrier, answers: Queue[Told]) -> None:
    told = Told(role=role)
    try:
        catalogue = Catalogue(url)
        work = ROLES[role](catalogue, datasets)
        begin.wait(AMONG)
        end = time.perf_counter() + seconds
        number = 0
        while (start := time.perf_counter()) < end:
            try:
                work(number)
                told.taken.append(time.perf_counter() - start)
            except PrismcubeError as error:
                told.errors[f"{type(error).__name__}: {error}"[:200]] += 1
            number += 1
        catalogue.close()
    except Exception as error:
        told.errors[f"{role}: {error!r}"[:200]] += 1
    answers.put(told)


def _reader(catalogue: Catalogue, datasets: int, *, first: int = 0) -> Callable[[int], object]:
    """Searches by place and period, and pages of items, in turn."""
    found_in = catalogue.collections.get("bench")
    days = datasets // data.SHARE

    def work(number: int) -> object:
        day = (first + 997 * number) % days
        if number % 2:
            start = data.T0 + day * data.DAY
            return catalogue.records.items(found_in, after=(start, 0), limit=data.PAGE)
        area = data.area_of((first + 31 * number) % data.PLACES if number % 4 else 0)
        period = data.period_of(day)
        return catalogue.datasets.find(found_in, found_in.stored_fields, period=period, area=area).datasets

    return work


def _indexer(catalogue: Catalogue, datasets: int) -> Callable[[int], object]:
    """Stores files of days that have some already."""
    instance_id = catalogue.collections.get("bench").stored_fields[0].instance_id

    def work(number: int) -> None:
        some = data.files(number * FILES % datasets, FILES, instance_id)
        new = [_renamed(entry, f"{FIRST + number}") for entry in some]
        for outcome in catalogue.files.put_many(new):
            if outcome is not Change.CREATED:
                raise outcome if isinstance(outcome, PrismcubeError) else AssertionError(outcome)

    return work


def _writer(catalogue: Catalogue, datasets: int) -> Callable[[int], object]:
    """Creates records one by one."""

    def work(number: int) -> Record:
        return catalogue.records.create(Record(name=f"W_{FIRST + number}", time=data.T0 - data.DAY))

    return work


def _renamed(entry: FileEntry, prefix: str) -> FileEntry:
    container = replace(entry.container, uri=f"{entry.container.uri}.{prefix}")
    return replace(entry, container=container)


ROLES: dict[str, Callable[[Catalogue, int], Callable[[int], object]]] = {
    "reader": _reader,
    "second reader": partial(_reader, first=5_003),
    "indexer": _indexer,
    "writer": _writer,
}
NAMES = {"reader": "searches and items", "indexer": f"{FILES} files indexed", "writer": "a record created"}
