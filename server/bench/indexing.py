"""How fast the catalogue takes files and records in, and whether memory stays the same meanwhile.

Layouts are known: no file is opened, and the collection of the files exists, so its extent is kept up to date as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prismcube.catalogue import Catalogue, Change, FileEntry
from prismcube.model.entities import Record
from server.bench import data
from server.bench.figures import Batch, Figure, batch, rate_figure
from server.bench.memory import NOW, memory

DATASETS_BAR, RECORDS_BAR = 2_000, 10_000
GROWTH_BAR = 10.0
"""Megabytes that count as none: what an allocator keeps differs by so much from run to run."""


def figures(
    catalogue: Catalogue, database: str, *, instance_id: int, datasets: int, tick: Callable[[int], None]
) -> Iterator[Figure]:
    """Store `datasets` files, and tell the rate and the growth of this process."""
    taken: list[Batch] = []
    resident: list[float] = []
    for first, number in data.batches(datasets):
        entries = data.files(first, number, instance_id)  # made outside the measured time

        def store(entries: list[FileEntry] = entries) -> None:
            for outcome in catalogue.files.put_many(entries):
                if outcome is not Change.CREATED:
                    raise AssertionError(f"a file was not stored: {outcome!r}")

        taken.append(batch(number, store))
        resident += _resident()
        tick(number)
    yield rate_figure("datasets indexed", database, taken, bar=DATASETS_BAR)
    if resident:
        yield _growth(database, resident)


def record_figures(
    catalogue: Catalogue, database: str, *, records: int, tick: Callable[[int], None]
) -> Iterator[Figure]:
    """Store `records` records, and tell the rate."""
    taken: list[Batch] = []
    for first, number in data.batches(records):
        wanted = data.records(first, number)

        def store(wanted: list[Record] = wanted) -> None:
            catalogue.records.create_many(wanted)

        taken.append(batch(number, store))
        tick(number)
    yield rate_figure("records created", database, taken, bar=RECORDS_BAR)


def _growth(database: str, resident: Sequence[float]) -> Figure:
    """Largest minus first megabytes of the second half; the first half fills caches."""
    half = resident[len(resident) // 2 :]
    note = f"second half of indexing, up to {max(half):.0f} MB"
    name = "memory growth"
    return Figure(name=name, database=database, unit="MB", value=max(half) - half[0], bar=GROWTH_BAR, note=note)


def _resident() -> list[float]:
    """Megabytes of this process in memory; none where the system does not say."""
    try:
        return [memory(NOW) / 1e6]
    except OSError:
        return []
