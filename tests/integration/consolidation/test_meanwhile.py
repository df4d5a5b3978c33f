"""What others do while a job is under way, and what its own steps do that come late or twice."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine

from prismcube.catalogue.datasets import DatasetFilter, Datasets
from prismcube.catalogue.grids import StoredGrid
from prismcube.consolidation import publishing
from prismcube.errors import Conflict, InvalidInput
from prismcube.model.collection import Collection, ComputedField
from prismcube.model.custom_cells import CustomCell, outline
from prismcube.model.entities import DatasetStatus
from prismcube.model.expression import Expression
from prismcube.model.grid import Bounds, Grid
from prismcube.model.layout import CustomGrid
from prismcube.model.machine import Event
from prismcube.storage.uri import canonical_uri

GRID = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 100, 150)
COLLAPSE = {"name": "mosaic", "time": "2020-01-31"}


@pytest.fixture
def two(sqlite_bench, pixels):
    """Two dates that touch six cells."""
    sqlite_bench.variable()
    for day in range(2):
        sqlite_bench.add(pixels(100, 150, seed=day, empty=[(slice(0, 40), slice(0, 70))]), day=day)
    return sqlite_bench


@pytest.fixture
def before_lock(monkeypatch):
    """Once, before the first lock is taken, something else happens."""
    lock = Datasets.lock

    def set_(happens):
        left = [happens]

        def late(self, ids, job):
            if left:
                left.pop()()
            lock(self, ids, job)

        monkeypatch.setattr(Datasets, "lock", late)

    return set_


def test_what_is_indexed_while_cells_are_planned_is_left_for_the_next_job(two, pixels, before_lock, same_cubes):
    """It would be a source of the later cells alone, and be replaced as a whole."""
    before_lock(lambda: two.add(pixels(100, 150, seed=9), day=9, record="late"))
    job = two.consolidate(instances=["v/i"], layout=two.layout())
    first = job.open_tasks()[0]
    job.attempt(first)
    before = two.cube(GRID)
    assert ("late",) in before
    job.move(Event.DONE)
    assert job.run().stage.name == "done", job.error
    assert job.results["replaced"] == 2
    same_cubes(before, two.cube(GRID))


def test_cells_may_overlap(sqlite_bench, pixels, same_cubes):
    """What lies in a file of one cell is no source of the cell beside it: it stays there as it is."""
    bench = sqlite_bench
    cells = []
    for name, west in (("west", 500_000), ("east", 500_600)):
        bounds = Bounds(west, 4_999_000, west + 1000, 5_000_000)
        cells.append(
            CustomCell(id=name, crs=GRID.crs, footprint=outline(bounds, GRID.crs), bounds=bounds),
        )
    bench.catalogue.grids.create(StoredGrid(name="two"), cells)
    bench.variable()
    for day in range(2):
        bench.add(pixels(80, 140, seed=day), day=day)
    before = bench.cube(GRID)
    given = {"instances": ["v/i"], "layout": bench.layout(grid=CustomGrid("two", 10))}
    first = bench.consolidate(**given).run()
    assert (first.results["files"], first.results["datasets"]) == (2, 4)
    again = bench.consolidate(**given).run()
    assert {name: again.results[name] for name in ("files", "replaced", "kept", "deletion")} == {
        "files": 0, "replaced": 0, "kept": 4, "deletion": None,
    }  # fmt: skip
    bench.add(pixels(80, 140, seed=5), day=5)
    before = bench.cube(GRID)
    third = bench.consolidate(**given).run()
    assert (third.results["files"], third.results["datasets"], third.results["replaced"]) == (2, 6, 5)
    same_cubes(before, bench.cube(GRID))


def test_a_collection_without_stored_fields_means_no_dataset(two):
    two.catalogue.collections.put(
        Collection(name="c", fields=(ComputedField(name="one", expression=Expression("1 + 0")),))
    )
    for start in (two.delete, lambda **given: two.consolidate(layout=two.layout(), **given)):
        with pytest.raises(InvalidInput) as raised:
            start(collection="c")
        assert raised.value.parameter == "collection"


def test_datasets_that_another_job_replaced_before_they_were_locked(two, before_lock, same_cubes):
    """Both would have an active copy of them; the second plans anew when it is retried."""
    before = two.cube(GRID)
    other = two.consolidate(instances=["v/i"], layout=two.layout())
    job = two.consolidate(instances=["v/i"], layout=two.layout("other", size=48))
    before_lock(other.run)
    job.run()
    assert job.stage.name == "prepare-failed"
    assert "became to-delete meanwhile" in job.error
    assert job.retry().stage.name == "done", job.error
    assert {one.uri.split("/")[-7] for one in two.datasets()} == {"other"}
    same_cubes(before, two.cube(GRID))


def test_deletion_takes_back_what_was_there_when_it_locked(two, before_lock):
    """Not what it had seen before: that has been replaced by another job."""
    other = two.consolidate(instances=["v/i"], layout=two.layout())
    job = two.delete(datasets=["1-2"])
    before_lock(other.run)
    job.run(until="delete-files")
    assert len(two.datasets()) == 12
    job.cancel()
    assert job.stage.name == "cancelled"
    assert len(two.datasets()) == 12
    assert len(two.datasets(DatasetStatus.TO_DELETE)) == 2


def test_deletion_of_a_status_is_of_that_status_when_it_locks(two, before_lock):
    other = two.consolidate(instances=["v/i"], layout=two.layout())
    job = two.delete(instances=["v/i"], status="active")
    before_lock(other.run)
    job.run()
    assert job.stage.name == "prepare-failed"
    assert "became to-delete meanwhile" in job.error


def test_a_collapse_that_writes_nothing_unlocks_its_sources(sqlite_bench):
    sqlite_bench.variable()
    sqlite_bench.add(np.zeros((60, 60), dtype="uint16"))
    was = sqlite_bench.state()
    job = sqlite_bench.consolidate(instances=["v/i"], layout=sqlite_bench.layout(), collapse=COLLAPSE).run()
    assert job.stage.name == "done", job.error
    assert job.results["datasets"] == 0
    assert sqlite_bench.state() == was


def test_the_deletion_of_old_files_is_one_job_however_far_it_is(two):
    """`clean` is run again when it was killed, whatever its job has deleted until then."""
    two.consolidate(instances=["v/i"], layout=two.layout()).run()
    job = two.consolidate(instances=["v/i"], layout="cells", consolidation={"compression": "none"}).run(until="clean")
    [task] = job.open_tasks()
    job.attempt(task)
    first = task.result
    deletion = two.jobs[first["deletion"]]
    for stage in ("delete-files", "done"):
        deletion.run(until=stage)
        job.attempt(task)
        assert (task.error, task.result) == (None, first)
    assert deletion.stage.name == "done"
    assert not [text for text in job.messages if "not ours" in text]


def test_what_has_lost_its_file_is_taken_back_as_well(two):
    was = two.state()
    job = two.consolidate(instances=["v/i"], layout=two.layout()).run(until="swap")
    two.files()[0].unlink()
    assert job.cancel().stage.name == "cancelled", job.error
    assert two.state() == was


def test_names_are_as_an_indexer_would_find_them(two):
    """Else the same file would be there twice; and nobody would know whose it is."""
    uri = "a=1+2/{job}/{variable}/{instance}/{cell}/{number}.tif"
    job = two.consolidate(instances=["v/i"], layout=two.layout(), uri=uri).run()
    assert job.stage.name == "done", job.error
    assert sorted({one.uri for one in two.datasets()}) == sorted(map(canonical_uri, map(str, two.files())))


def test_rollback_that_comes_late_revives_nothing(two, same_cubes):
    """Its end was not heard of, another job has gone on with what it gave back: it is done, and stays done."""
    before = two.cube(GRID)
    job = two.consolidate(instances=["v/i"], layout=two.layout()).run(until="swap")
    job.attempt(job.open_tasks()[0])
    job.move(Event.CANCEL)
    [task] = job.open_tasks()
    job.attempt(task)
    two.consolidate(instances=["v/i"], layout="cells").run()
    after = two.state()
    job.attempt(task)
    assert task.error is None
    assert two.state() == after
    same_cubes(before, two.cube(GRID))


def test_rollback_of_a_deletion_that_comes_late_revives_nothing(two):
    job = two.delete(instances=["v/i"]).run(until="delete-files")
    job.move(Event.CANCEL)
    [task] = job.open_tasks()
    job.attempt(task)
    two.consolidate(instances=["v/i"], layout=two.layout()).run()
    after = two.state()
    job.attempt(task)
    assert task.error is None
    assert two.state() == after


def test_datasets_stay_locked_until_nothing_can_be_taken_back(two):
    """What is swapped may still be rolled back: until then nobody else gets at the old datasets."""
    job = two.consolidate(instances=["v/i"], layout=two.layout()).run(until="clean")
    with pytest.raises(Conflict, match="is locked by job 'job-1'"):
        two.delete(datasets=["1-2"])
    job.run()
    assert two.delete(datasets=["1-2"]).run().stage.name == "done"


@pytest.mark.parametrize("cancelled", [False, True])
def test_the_area_of_a_new_record_is_that_of_all_files(two, monkeypatch, cancelled):
    monkeypatch.setattr(publishing, "BATCH", 1)
    was = two.state()
    job = two.consolidate(instances=["v/i"], layout=two.layout(), collapse=COLLAPSE).run(until="swap")
    [record] = [one for one in two.catalogue.records.list() if one.name == "mosaic"]
    area = two.catalogue.aois.get_by_id(record.aoi_id).geometry
    new = two.catalogue.datasets.list(DatasetFilter(records=(record.id,)))
    assert len(new) == 6
    assert shapely.symmetric_difference(area, shapely.union_all([one.footprint for one in new])).area < 1e-9
    if cancelled:
        job.cancel()
        assert two.state() == was
