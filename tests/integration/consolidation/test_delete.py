"""Deletion: datasets go at one instant, files of ours with the last of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from affine import Affine

from prismcube.errors import InvalidInput, NotFound, NotYet
from prismcube.model.entities import DatasetStatus
from prismcube.model.grid import Grid
from prismcube.model.machine import Event

GRID = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 100, 150)


@pytest.fixture
def filled(bench, pixels):
    """Six files of ours with three dates each, and three sources that are not ours."""
    bench.variable()
    for day in range(3):
        bench.add(pixels(100, 150, seed=day), day=day)
    bench.consolidate(instances=["v/i"], layout=bench.layout()).run()
    return bench


def active(bench):
    return {one.id for one in bench.datasets()}


def test_files_go_with_their_last_dataset(filled):
    sources = sorted(filled.sources.iterdir())
    job = filled.delete(instances=["v/i"]).run()
    assert job.stage.name == "done", job.error
    assert job.results == {"datasets": 21, "files": 6, "left": 0}
    assert filled.files() == []
    assert filled.datasets(None) == []
    assert filled.catalogue.containers.list() == []
    assert sorted(filled.sources.iterdir()) == sources  # they are not ours


def test_a_file_stays_while_it_has_other_datasets(filled):
    [record] = {d.record_id for d in filled.datasets() if d.time.day == 2}
    job = filled.delete(records=[record], status="active").run()
    assert job.results == {"datasets": 6, "files": 0, "left": 0}
    assert len(filled.files()) == 6
    assert filled.cube(GRID).keys() == {("R0",), ("R2",)}


@pytest.mark.parametrize(
    ("inputs", "number"),
    [
        ({"datasets": ["1-2"]}, 2),
        ({"uri": "*/job-1/*/781/0/*"}, 3),
        ({"uri": "*archive*"}, 3),
        ({"filter": {"name": "R1"}}, 7),
        ({"filter": {"datetime": "2020-01-02/.."}}, 14),
        ({"instances": ["v/i"], "status": "to-delete"}, 3),
        ({"filter": {"bbox": [15, 45.15, 15.001, 45.2]}, "status": "active"}, 3),
    ],
    ids=lambda one: str(one),
)
def test_what_is_meant(filled, inputs, number):
    job = filled.delete(**inputs).run()
    assert job.results["datasets"] == number
    assert len(filled.datasets(None)) == 21 - number


def test_readers_do_not_see_them_from_one_instant_on(filled):
    job = filled.delete(instances=["v/i"], status="active").run(until="delete-files")
    assert active(filled) == set()
    assert len(filled.files()) == 6
    job.cancel()
    assert job.stage.name == "cancelled"
    assert len(active(filled)) == 18
    assert len(filled.datasets(DatasetStatus.TO_DELETE)) == 3
    assert filled.catalogue.datasets.locks(one.id for one in filled.datasets(None)) == {}


def test_what_is_gone_can_not_be_taken_back(filled):
    """Cancelled when some files are gone: their datasets go as well, the others come back as they were."""
    job = filled.delete(instances=["v/i"]).run(until="delete-files")
    for path in filled.files()[:2]:
        path.unlink()
    job.cancel()
    assert job.stage.name == "cancelled", job.error
    assert len(active(filled)) == 18 - 6
    assert len(filled.datasets(DatasetStatus.TO_DELETE)) == 3
    assert len(filled.catalogue.containers.list()) == 4 + 3
    assert any("gone already" in text for text in job.messages)


def test_every_task_may_run_twice(filled):
    job = filled.delete(instances=["v/i"])
    for name in ("prepare", "mark", "delete-files", "remove"):
        assert job.stage.name == name
        for _ in range(2):
            for task in list(job.tasks[name]):
                job.attempt(task)
                assert task.error is None
        job.move(Event.DONE)
    assert job.stage.name == "done"
    assert (filled.files(), filled.datasets(None), filled.catalogue.containers.list()) == ([], [], [])


def test_a_missing_file_is_deleted_already(filled):
    filled.files()[0].unlink()
    job = filled.delete(instances=["v/i"]).run()
    assert job.stage.name == "done"
    assert job.results["files"] == 6


def test_files_that_can_not_be_deleted_leave_the_job_untidy(filled):
    """A folder in the file's place, which no one can unlink; the catalogue keeps its entry, a retry tidies up."""
    path = filled.files()[2]
    path.unlink()
    path.mkdir()
    job = filled.delete(instances=["v/i"]).run()
    assert job.stage.name == "done-untidy"
    assert job.stage.status == "successful"
    assert job.results == {"datasets": 21, "files": 5, "left": 1}
    assert path.name in job.error
    assert filled.datasets(None) == []
    [left] = filled.catalogue.containers.list()
    assert left.uri == path.as_uri()
    for _ in range(2):
        assert job.retry().stage.name == "done-untidy"
        assert job.results == {"datasets": 21, "files": 5, "left": 1}
    path.rmdir()
    job.retry()
    assert job.stage.name == "done", job.error
    assert job.results == {"datasets": 21, "files": 6, "left": 0}
    assert filled.catalogue.containers.list() == []


def test_files_that_were_not_to_be_deleted_are_not_counted(filled):
    """They have another dataset, so that their entries stay, though the files have gone."""
    [record] = {d.record_id for d in filled.datasets() if d.time.day == 2}
    for path in filled.files():
        path.unlink()
    job = filled.delete(records=[record], status="active").run()
    assert job.results == {"datasets": 6, "files": 0, "left": 0}


def test_a_retry_tells_what_is_left_then(filled):
    blocked = filled.files()[1:4]
    for path in blocked:
        path.unlink()
        path.mkdir()
    job = filled.delete(instances=["v/i"]).run()
    assert job.results == {"datasets": 21, "files": 3, "left": 3}
    blocked[0].rmdir()
    job.retry()
    assert (job.stage.name, job.results) == ("done-untidy", {"datasets": 21, "files": 4, "left": 2})
    assert len(filled.catalogue.containers.list()) == 2


def test_files_beyond_our_folder_are_never_deleted(filled):
    """As when the setting was changed after they were written."""
    filled.catalogue.managed = (filled.folder / "elsewhere").as_uri()
    job = filled.delete(instances=["v/i"]).run()
    assert job.stage.name == "done-untidy"
    assert "ours to delete" in job.error
    assert len(filled.files()) == 6


def test_what_is_not_said_is_not_deleted(filled):
    for inputs, parameter in [
        ({}, "datasets"),
        ({"status": "active"}, "datasets"),
        ({"uri": "nothing like this"}, "datasets"),
        ({"datasets": ["9-1"]}, "datasets"),
        ({"datasets": ["a"]}, "datasets"),
    ]:
        with pytest.raises(InvalidInput) as raised:
            filled.delete(**inputs)
        assert raised.value.parameter == parameter
    with pytest.raises(NotFound):
        filled.delete(records=[99])


def test_an_estimate_deletes_nothing(filled):
    from processes.delete_datasets import estimate

    size = sum(file.stat().st_size for file in filled.files())
    told = estimate(filled.tools, {"instances": ["v/i"]}).to_json()
    assert told == {"tasks": 1, "files": 6, "readBytes": 0, "writtenBytes": 0, "datasets": 21, "deletedBytes": size}
    assert len(filled.files()) == 6


def test_an_estimate_asks_for_sizes_that_the_catalogue_does_not_have(filled, monkeypatch):
    from processes.delete_datasets import estimate

    for one in filled.catalogue.containers.list():
        filled.catalogue.containers.update(replace(one, etag=""))
    size = sum(file.stat().st_size for file in filled.files())
    assert estimate(filled.tools, {"instances": ["v/i"]}).details["deletedBytes"] == size
    gone = filled.files()[0]
    size -= gone.stat().st_size
    gone.unlink()
    assert estimate(filled.tools, {"instances": ["v/i"]}).details["deletedBytes"] == size
    monkeypatch.setattr("prismcube.storage.sizes.MOST_LOCAL", 5)
    assert estimate(filled.tools, {"instances": ["v/i"]}).details["deletedBytes"] is None


def test_files_stay_for_a_while(filled, monkeypatch):
    """By the test's own clock: no file goes before the time is over."""
    from datetime import UTC, datetime, timedelta

    import processes.delete_datasets as module

    class Clock(datetime):
        moment = datetime(2030, 1, 1, tzinfo=UTC)

        @classmethod
        def now(cls, tz=None):
            return cls.moment

    monkeypatch.setattr(module, "datetime", Clock)
    job = filled.delete(instances=["v/i"], grace=5).run(until="delete-files")
    [task] = job.open_tasks()
    for seconds in (0, 4.9):
        Clock.moment = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        job.attempt(task)
        assert isinstance(task.error, NotYet)
        assert len(filled.files()) == 6
    Clock.moment += timedelta(seconds=0.1)
    assert job.run().stage.name == "done"
    assert filled.files() == []
