"""Jobs that are broken off anywhere, run again, fail, are cancelled: nothing is lost, nothing has effect twice."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine

from ingester.validation import header_of
from prismcube.catalogue.datasets import Datasets
from prismcube.errors import Conflict, SourceError
from prismcube.model.entities import DatasetStatus
from prismcube.model.formats import ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.machine import Event
from processes import delete_datasets

GRID = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 100, 150)
STAGES = ("prepare", "consolidate", "index", "swap", "clean")


@pytest.fixture
def three(bench, pixels):
    bench.variable()
    for day in range(3):
        bench.add(pixels(100, 150, seed=day, empty=[(slice(0, 40), slice(0, 70))]), day=day)
    return bench


def test_every_task_may_run_twice(three, same_cubes):
    """As when its result was lost: each body once more after it has ended well."""
    before = three.cube(GRID)
    job = three.consolidate(instances=["v/i"], layout=three.layout())
    for name in STAGES:
        assert job.stage.name == name
        for _ in range(2):
            for task in list(job.tasks[name]):
                job.attempt(task)
                assert task.error is None
        job.move(Event.DONE)
    assert job.stage.name == "done"
    same_cubes(before, three.cube(GRID))
    assert len(three.datasets()) == 18
    assert len(three.datasets(None)) == 18 + 3
    assert job.results["datasets"] == 18


@pytest.mark.parametrize("stage", STAGES)
def test_a_task_that_is_killed_within_is_done_again(three, same_cubes, killed, monkeypatch, stage):
    """At the first write of each stage: to a file, or to the catalogue."""
    before = three.cube(GRID)
    job = three.consolidate(instances=["v/i"], layout=three.layout()).run(until=stage)
    places = {
        "prepare": "prismcube.catalogue.datasets.Datasets.lock",
        "consolidate": "prismcube.tiff.assemble.copy_range",
        "index": "prismcube.catalogue.datasets.Datasets.lock",
        "swap": "prismcube.catalogue.datasets.Datasets.swap",
        "clean": "prismcube.catalogue.datasets.Datasets.unlock",
    }

    def kill(*args, **more):
        raise killed

    with monkeypatch.context() as patch:
        patch.setattr(places[stage], kill)
        with pytest.raises(killed):
            job.attempt(job.open_tasks()[0])
    same_cubes(before, three.cube(GRID))
    job.run()
    assert job.stage.name == "done", job.error
    same_cubes(before, three.cube(GRID))
    assert list(three.managed.rglob(".*")) == []
    assert three.catalogue.datasets.locks(one.id for one in three.datasets(None)) == {}


def test_what_a_killed_writer_has_left_is_taken_over(three):
    """A part beside the file, as after kill -9: the next attempt begins with it."""
    job = three.consolidate(instances=["v/i"], layout=three.layout()).run(until="consolidate")
    task = job.open_tasks()[0]
    path = three.managed / task.payload["uri"].rpartition("ours/")[2]
    path.parent.mkdir(parents=True)
    (path.parent / f".{path.name}.part").write_bytes(b"half a file")
    job.run()
    assert job.stage.name == "done"
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("stage", ["prepare", "consolidate", "index", "swap"])
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_cancel_takes_everything_back(three, same_cubes, stage, done):
    """Before a stage, and after its tasks have ended while nobody knew yet."""
    before, was = three.cube(GRID), three.state()
    job = three.consolidate(instances=["v/i"], layout=three.layout()).run(until=stage)
    if done:
        for task in job.open_tasks():
            job.attempt(task)
    job.cancel()
    assert job.stage.name == "cancelled", job.error
    assert three.state() == was
    same_cubes(before, three.cube(GRID))
    assert not (three.managed / "consolidated" / "cells" / "job-1").exists()
    again = three.consolidate(instances=["v/i"], layout="cells").run()
    assert again.stage.name == "done"


def test_rollback_may_run_twice_and_removes_files_nobody_knows_of(three):
    was = three.state()
    job = three.consolidate(instances=["v/i"], layout=three.layout()).run(until="index")
    lost = job.tasks["consolidate"].pop()  # its result was never stored; its file is there
    assert lost.result
    job.move(Event.CANCEL)
    for _ in range(2):
        job.attempt(job.tasks["rollback"][0])
    assert job.tasks["rollback"][0].error is None
    assert three.state() == was


def test_a_vanished_source_fails_its_tasks_and_a_retry_goes_on_after_repair(three, same_cubes):
    before = three.cube(GRID)
    job = three.consolidate(instances=["v/i"], layout=three.layout())
    source = three.sources / "001.tif"
    away = source.rename(three.folder / "away.tif")
    job.run()
    assert job.stage.name == "consolidate-failed"
    assert "001.tif" in job.error
    assert isinstance(job.tasks["consolidate"][0].error, SourceError)
    same_cubes({k: v for k, v in before.items() if k != ("R1",)}, _without(three, source, away))
    attempts = [task.attempts for task in job.tasks["consolidate"]]
    away.rename(source)
    job.retry()
    assert job.stage.name == "done", job.error
    assert [task.attempts for task in job.tasks["consolidate"]] == [one + 1 for one in attempts]
    same_cubes(before, three.cube(GRID))


def _without(bench, source, away):
    away.rename(source)
    found = {key: cube for key, cube in bench.cube(GRID).items() if key != ("R1",)}
    source.rename(away)
    return found


def test_a_corrupt_source_fails_its_tasks(three):
    source = three.sources / "002.tif"
    size, times = source.stat().st_size, source.stat()
    with source.open("r+b") as file:
        file.truncate(size // 2)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    job = three.consolidate(instances=["v/i"], layout=three.layout()).run()
    assert job.stage.name == "consolidate-failed"
    assert "002.tif" in job.error
    assert three.datasets(DatasetStatus.INACTIVE) == []


def test_of_files_of_one_name_the_one_that_is_gone_is_named(three, tmp_path):
    """One folder a scene, with files of the same names, is how many archives lie."""
    there, gone = (tmp_path / name / "000.tif" for name in ("there", "gone"))
    for path in (there, gone):
        path.parent.mkdir()
        shutil.copy(three.sources / "000.tif", path)
        three.store(path, variable="v", record="R0", day=0)
    gone.unlink()
    job = three.consolidate(instances=["v/i"], layout=three.layout()).run()
    assert job.stage.name == "consolidate-failed"
    assert str(gone) in job.error
    assert str(there) not in job.error


def test_an_unwritable_target_fails_and_is_named(three):
    three.managed.mkdir()
    (three.managed / "consolidated").write_text("a file where a folder should be")
    job = three.consolidate(instances=["v/i"], layout=three.layout()).run()
    assert job.stage.name == "consolidate-failed"
    assert "could not be written" in job.error
    (three.managed / "consolidated").unlink()
    job.retry()
    assert job.stage.name == "done"


def test_a_file_that_has_gone_is_not_published(three):
    job = three.consolidate(instances=["v/i"], layout=three.layout()).run(until="index")
    three.files()[0].unlink()
    job.run()
    assert job.stage.name == "index-failed"
    assert "not found" in job.error
    job.cancel()
    assert job.stage.name == "cancelled"


def test_two_jobs_on_the_same_datasets(three):
    first = three.consolidate(instances=["v/i"], layout=three.layout())
    second = three.consolidate(instances=["v/i"], layout="cells")  # both were submitted before one has begun
    first.run(until="swap")
    with pytest.raises(Conflict, match="is locked by job 'job-1'"):
        three.consolidate(instances=["v/i"], layout="cells")
    with pytest.raises(Conflict, match="is locked by job 'job-1'"):
        three.delete(instances=["v/i"])
    second.run()
    assert second.stage.name == "prepare-failed"
    assert "locked by job 'job-1'" in second.error
    first.run()
    second.retry()
    assert second.stage.name == "done"
    assert second.results["files"] == 0


def test_readers_see_all_of_the_old_or_all_of_the_new(three):
    """Cubes in a loop while a job, its swap and the deletion after it run: never an error, never a mixture."""
    three.consolidate(instances=["v/i"], layout=three.layout()).run()
    expected = three.cube(GRID)
    settings = [{"compression": "none"}, {"compression": "lossless"}] * 2
    stop, seen, problems = threading.Event(), [], []

    def read():
        try:
            while not stop.is_set():
                found = three.cube(GRID)
                assert found.keys() == expected.keys()
                for key, (values, valid) in found.items():
                    np.testing.assert_array_equal(values, expected[key][0])
                    np.testing.assert_array_equal(valid, expected[key][1])
                seen.append(len(found))
        except BaseException as error:
            problems.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for one in settings:
            job = three.consolidate(instances=["v/i"], layout="cells", consolidation=one).run()
            assert job.stage.name == "done", job.error
            active = three.datasets()
            assert len(active) == 18
    finally:
        stop.set()
        reader.join()
    if problems:
        raise problems[0]
    assert seen


def test_validity_in_a_band_is_seen_in_the_file_itself(sqlite_bench, pixels, same_cubes):
    """By whoever meets it anew: the indexer, another catalogue, a copy of the file."""
    bench = sqlite_bench
    bench.variable(dtype="uint8", nodata=None)
    bench.add(pixels(100, 250, dtype="uint8", seed=7), nodata=None)
    around = Grid("EPSG:32633", Affine(10, 0, 499_800, 0, -10, 5_000_200), 320, 150)
    before = bench.cube(around)
    bench.consolidate(instances=["v/i"], layout=bench.layout()).run()
    reasons = set()
    for one in bench.datasets():
        again = header_of(one)
        assert again.reason == bench.catalogue.headers.of([one])[one.uri, one.subdir].reason
        reasons.add(again.reason)
        bench.catalogue.headers.put(one.container_id, {one.subdir: again})
    assert "ZSTD compression, validity in a band of its own" in reasons
    same_cubes(before, bench.cube(around))


LOSSY = {"compression": "lossy", "format": {"dtype": "uint16", "nodata": 0, "minimum": 0, "maximum": 10_000}}
JPEG = {"compression": "custom", "format": {"dtype": "uint8", "minimum": 0, "maximum": 255}}


@pytest.mark.parametrize(
    ("dtype", "first", "second"),
    [
        ("uint16", LOSSY | {"max_error": 0.01}, LOSSY | {"max_error": 0.001}),
        ("uint16", LOSSY | {"max_error": 0.001}, LOSSY | {"max_error": 0.01}),
        ("uint16", LOSSY | {"compression": "lossless"}, LOSSY | {"max_error": 0.01}),
        (
            "uint8",
            JPEG | {"creation_options": {"COMPRESS": "JPEG"}},
            JPEG | {"creation_options": {"COMPRESS": "JPEG", "JPEG_QUALITY": "90"}},
        ),
        (
            "uint16",
            LOSSY | {"compression": "custom", "creation_options": {"COMPRESS": "LERC", "MAX_Z_ERROR": "1"}},
            LOSSY
            | {
                "compression": "custom",
                "creation_options": {"COMPRESS": "LERC", "MAX_Z_ERROR": "1", "MAX_Z_ERROR_OVERVIEW": "4"},
            },
        ),
    ],
    ids=["smaller error", "larger error", "lossy", "quality", "overviews"],
)
def test_another_loss_is_another_compression(sqlite_bench, pixels, dtype, first, second):
    bench = sqlite_bench
    limits = {name: second["format"][name] for name in ("minimum", "maximum")}
    bench.variable(dtype=dtype, nodata=None if dtype == "uint8" else 0, **limits)
    bench.add(pixels(100, 150, dtype=dtype, seed=7), nodata=None if dtype == "uint8" else 0)
    layout = bench.layout()
    kept = []
    for settings in (first, first, second, second):
        job = bench.consolidate(instances=["v/i"], layout=layout, consolidation=settings).run()
        assert job.stage.name == "done", job.error
        kept.append((job.results["files"] > 0, job.results["kept"] > 0))
        layout = "cells"
    written, settled = (True, False), (False, True)
    assert kept == [written, settled, written, settled]


@pytest.mark.parametrize("stage", ["swap", "clean"])
@pytest.mark.parametrize("lost", ["gone", "other"])
def test_nothing_is_given_up_for_files_that_have_gone_while_the_job_waited(three, same_cubes, stage, lost):
    """For days, it may be: before the swap readers keep what they had, after it the old files stay."""
    three.consolidate(instances=["v/i"], layout=three.layout()).run()
    before, was = three.cube(GRID), set(three.files())
    job = three.consolidate(instances=["v/i"], layout=three.layout("other", size=32)).run(until=stage)
    path = min(set(three.files()) - was)
    away = path.rename(three.folder / "away.tif")
    if lost == "other":
        path.write_bytes(b"another")
    job.run()
    assert job.stage.name == f"{stage}-failed"
    assert path.name in job.error
    assert ("is gone" if lost == "gone" else "is not the file") in job.error
    if stage == "swap":
        same_cubes(before, three.cube(GRID))
    else:
        assert three.catalogue.datasets.locks(one.id for one in three.datasets(None)) == {}
    assert list(three.jobs) == ["job-1", job.id]
    away.rename(path)
    job.retry()
    assert job.stage.name == "done", job.error
    assert three.jobs[job.results["deletion"]].process is delete_datasets.PROCESS
    same_cubes(before, three.cube(GRID))


def test_two_jobs_do_not_collapse_into_one_record(three, same_cubes):
    """Neither knew of the other when it was planned; their dates would be laid over each other."""
    collapse, layout = {"name": "mosaic", "time": "2020-12-31"}, three.layout()
    ids = [one.id for one in three.catalogue.records.list(limit=10)]
    first, second = (
        three.consolidate(instances=["v/i"], layout=layout, records=[id], collapse=collapse).run(until="swap")
        for id in ids[:2]
    )
    first.run()
    assert first.stage.name == "done"
    before = three.cube(GRID)
    second.run()
    assert second.stage.name == "swap-failed"
    assert "mosaic" in second.error
    same_cubes(before, three.cube(GRID))
    second.cancel()
    assert second.stage.name == "cancelled"
    same_cubes(before, three.cube(GRID))


def test_what_was_changed_while_the_job_planned_is_planned_anew(three, monkeypatch):
    """A mapping that comes between is not lost: dates were to be copied by the one before."""
    three.consolidate(instances=["v/i"], layout=three.layout()).run()
    lock, changed = Datasets.lock, ValueMapping(imin=0, imax=250, emin=0, emax=25, exponent=1)

    def change_and_lock(self, ids, job):
        monkeypatch.setattr(Datasets, "lock", lock)
        self.update(replace(self.get_many(ids[:1])[0], mapping=changed))
        return lock(self, ids, job)

    monkeypatch.setattr(Datasets, "lock", change_and_lock)
    job = three.consolidate(instances=["v/i"], layout=three.layout("other", size=32)).run()
    assert job.stage.name == "prepare-failed"
    assert "was changed meanwhile" in job.error
    job.retry()
    assert job.stage.name == "done", job.error


def test_a_layout_that_changes_or_goes_meanwhile_is_told(three):
    """Files are cut as it was; under another one they would be registered as what they are not."""
    job = three.consolidate(instances=["v/i"], layout=three.layout()).run(until="index")
    three.layout(max_records=7)
    job.run()
    assert (job.stage.name, "was changed meanwhile" in job.error) == ("index-failed", True)
    three.layout()
    job.retry()
    assert job.stage.name == "done", job.error
    other = three.consolidate(instances=["v/i"], layout=three.layout("other", size=32)).run(until="index")
    three.catalogue.layouts.delete([three.catalogue.layouts.get("other").id])
    other.run()
    assert (other.stage.name, "was removed meanwhile; cancel this job" in other.error) == ("index-failed", True)
    other.cancel()
    assert other.stage.name == "cancelled"
