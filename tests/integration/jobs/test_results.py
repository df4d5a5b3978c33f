"""What jobs leave: results in rows and in files, and what people are told of their end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from prismcube.catalogue import Catalogue
from prismcube.catalogue.job_tables import job_document
from prismcube.errors import SourceError
from prismcube.jobs.attempt import MESSAGE, execute
from prismcube.jobs.entities import End
from prismcube.jobs.results import ResultFiles
from prismcube.model.machine import Status
from prismcube.model.work import Work

Driver = Any
"""Claims and ends tasks by hand: see conftest.py."""


def test_the_last_task_tells_of_the_end(driver: Driver) -> None:
    one, other = driver.submit(), driver.submit()
    first, second = driver.claim("one")
    driver.end(first, result={"outputs": {"o": 1}}, message="done, but for the oil")
    driver.end(second, result={"outputs": {"o": 1}})
    ended = driver.ledger.get(one.id)
    assert (ended.status, ended.message) == (Status.SUCCESSFUL, "done, but for the oil")
    assert driver.ledger.log(one.id)[-1].message == "done, but for the oil"
    meaning = driver.ledger.machine(one).stage("done").meaning
    assert driver.ledger.get(other.id).message == meaning


def test_only_the_end_is_told_so(driver: Driver) -> None:
    one = driver.submit("fan")
    (order,) = driver.claim("fan.prepare")
    driver.end(order, message="no task was needed")
    there = driver.ledger.get(one.id)
    assert (there.stage, there.message) == ("publish", driver.ledger.machine(one).stage("publish").meaning)
    (order,) = driver.claim("fan.publish")
    driver.end(order, End.FAILED, message="the disk is gone")
    assert driver.ledger.get(one.id).message == "the disk is gone"


def test_what_a_task_tells_is_none_of_its_result(driver: Driver, tmp_path: Path) -> None:
    def body(work: Work) -> dict[str, Any]:
        return {"message": "m" * 2 * MESSAGE, "more": 1}

    driver.submit()
    (order,) = driver.claim("one")
    outcome = execute(order, driver.ledger, {"one": body}, tmp_path)
    assert (outcome.end, outcome.result, outcome.message) == (End.DONE, {"more": 1}, "m" * MESSAGE)


def test_results_of_a_job(driver: Driver, catalogue: Catalogue) -> None:
    one = driver.submit()
    assert driver.ledger.results(one.id) == {}
    (order,) = driver.claim("one")
    driver.end(order, result={"outputs": {"o": {"href": "file:///x"}}})
    assert driver.ledger.results(one.id) == {"o": {"href": "file:///x"}}
    with catalogue.engine.begin() as connection:
        connection.execute(delete(job_document).where(job_document.c.job_id == one.id))
    assert driver.ledger.results(one.id) == driver.ledger.results("none") == {}


def test_files_of_a_job_go_as_far_as_they_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ResultFiles(tmp_path.as_uri())
    files.remove("none", {})
    for name in ("a", "b/c", "d"):
        (tmp_path / "job" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "job" / name).touch()
    real = os.unlink

    def unlink(path: str, **more: Any) -> None:
        if path == "a":
            real(path, **more)
            raise FileNotFoundError  # another has removed it just now
        if path == "c":
            raise PermissionError(13, "Permission denied", path)
        real(path, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", unlink)
        with pytest.raises(SourceError, match="Permission denied"):
            files.remove("job", {})
    assert [one.name for one in (tmp_path / "job").rglob("*")] == ["b", "c"]
    files.remove("job", {})
    assert not (tmp_path / "job").exists()


def test_files_are_those_of_a_job_wherever_our_folder_was_when_they_were_written(tmp_path: Path) -> None:
    files, was = ResultFiles.below((tmp_path / "ours").as_uri()), tmp_path / "before" / "results"
    for name in ("job/cube.nc", "job/more/a", "other/cube.nc"):
        (was / name).parent.mkdir(parents=True, exist_ok=True)
        (was / name).touch()
    (was / "job" / "link").symlink_to(was / "other" / "cube.nc")
    cube = {"href": (was / "job" / "cube.nc").as_uri()}
    assert files.uri("job", cube) == cube["href"]
    assert files.uri("jo", cube) is None
    for name in ("other/cube.nc", "job/../other/cube.nc", "job/%2E%2E/other/cube.nc", "job/link"):
        value = {"href": f"{was.as_uri()}/{name}"}
        assert files.uri("job", value) is None, name
        files.remove("job", {"cube": value})
    assert len([*was.rglob("*.nc")]) == 2
    files.remove("job", {"ends": {"ok": 1}, "cube": cube})
    assert [one.name for one in was.iterdir()] == ["other"]


@pytest.mark.parametrize("id", ["..", ".", "", "a/../..", "%2E%2E"])
def test_what_is_no_id_of_a_job_has_no_folder(tmp_path: Path, id: str) -> None:
    files = ResultFiles.below(tmp_path.as_uri())
    kept = tmp_path / "results" / "other" / "cube.nc"
    kept.parent.mkdir(parents=True)
    kept.touch()
    with pytest.raises(SourceError, match="no job's id"):
        files.remove(id, {"o": {"href": kept.as_uri()}})
    assert files.uri(id, {"href": kept.as_uri()}) is None
    assert kept.exists()
