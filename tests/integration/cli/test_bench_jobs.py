"""`prismcube bench jobs`: everything in it runs, and what it says of truth is true. Nothing here looks at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_validate

from prismcube.catalogue import migrate
from server.bench.cube import scenes
from server.bench.jobs import archive, bare, killing, latency, measure, outage, stopping
from server.bench.jobs.consolidating import Planes
from server.bench.jobs.sizes import SIZES
from server.bench.jobs.tasks import Sign
from tests import commands

ROOT = Path(__file__).resolve().parents[3]
TINY = replace(
    SIZES["small"],
    name="tiny",
    ledger_tasks=1_200,
    million_tasks=2_500,
    submissions=1,
    kill_tasks=120,
    pixels=256,
    dates=3,
    window=64,
)
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench-jobs")


def values(figures: Any) -> dict[str, float]:
    return {one.name: one.value for one in figures}


@pytest.fixture
def database(url: str) -> str:
    return NAMES[url.partition(":")[0].partition("+")[0]]


def test_the_ledger_alone(url: str, database: str) -> None:
    told: list[int] = []
    found = bare.rates(url, database, tasks=TINY.ledger_tasks, tick=told.append)
    assert told == [500, 500, 200]
    whole = found[-1]
    assert (whole.name, whole.bar) == ("tasks in all", 10_000 if database == "SQLite" else 2_000)
    assert 0 < whole.value < min(found[0].value, found[1].value), "the sum of both"


def test_a_job_of_very_many_tasks(url: str, database: str) -> None:
    found = values(bare.very_many(url, database, tasks=TINY.million_tasks))
    assert {"hand over 2,500 tasks", "list jobs", "first page of its tasks", "cancel"} <= found.keys()
    assert found["memory that handing over takes"] < bare.MOST_GROWTH


def test_a_job_that_has_nothing_to_do(url: str, database: str, tmp_path: Path) -> None:
    told: list[int] = []
    found = latency.figures(url, database, submissions=1, scratch=tmp_path / "scratch", tick=told.append)
    assert [one.bar for one in found] == [latency.MOST_MS, None]
    assert told == [1]


def check_kills(url: str, database: str, folder: Path, *, dask: bool = False) -> killing.Kills:
    told: list[int] = []
    found, kills = killing.figures(
        url, database, tasks=TINY.kill_tasks, task_seconds=0.05, folder=folder, dask=dask, tick=told.append
    )
    assert [one.value for one in found if one.unit == "errors"] == [0, 0, 0, 0]
    assert [one.bar for one in found if one.unit == "s"] == [10, 10, *([30] if dask else []), None]
    assert sum(told) == TINY.kill_tasks
    assert len([*(folder / "effects").glob("effect-*")]) == TINY.kill_tasks
    return kills


def check_gone(pids: Collection[int | None], number: int) -> None:
    assert len(set(pids)) == number
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_nothing_is_lost_when_processes_are_killed(url: str, database: str, tmp_path: Path) -> None:
    kills = check_kills(url, database, tmp_path)
    check_gone([kills.worker, kills.orchestrator], 2)
    assert kills.scheduler is None


def test_nothing_is_lost_when_processes_of_a_cluster_are_killed(tmp_path: Path) -> None:
    """Here on SQLite alone: which database it is, the engine does not see."""
    url = f"sqlite:///{tmp_path}/home/catalogue.db"
    migrate(url)
    kills = check_kills(url, "SQLite", tmp_path, dask=True)
    check_gone([kills.worker, kills.orchestrator, kills.scheduler], 3)


def test_nothing_is_lost_when_the_database_is_killed(postgresql: Any, tmp_path: Path) -> None:
    """`postgresql` tells when there can be none."""
    told: list[int] = []
    found, victim = killing.figures_of_database(tasks=40, task_seconds=0.05, folder=tmp_path, tick=told.append)
    assert [one.value for one in found if one.unit == "errors"] == [0, 0, 0, 0]
    assert (found[0].bar, sum(told)) == (10, 40)
    check_gone([victim], 1)


def test_jobs_are_seen_again_when_the_process_that_answers_is_killed(tmp_path: Path) -> None:
    told: list[int] = []
    place = Path(os.environ["NUMBA_CACHE_DIR"])
    found, victims = outage.figures("SQLite", kills=1, folder=tmp_path / "home", compiled=place, tick=told.append)
    assert [one.bar for one in found] == [10, 10]
    assert told == [1]
    check_gone(victims, 1)


@pytest.mark.parametrize("dask", [False, True], ids=["local", "dask"])
def test_a_job_that_is_cancelled(dask: bool, tmp_path: Path) -> None:
    url, told = f"sqlite:///{tmp_path}/home/catalogue.db", []
    migrate(url)
    [found] = stopping.figures(url, "SQLite", jobs=1, folder=tmp_path / "jobs", dask=dask, tick=told.append)
    assert (found.bar, found.repeats, told) == (stopping.MOST_MS, 1, [1])
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "jobs" / "pid-0").read_text()), 0)


def test_attempts_at_once_are_found() -> None:
    def signs(*told: tuple[str, int, int]) -> list[Sign]:
        return [
            Sign(what=what, number=number, attempt=attempt, pid=1, time=time)
            for time, (what, number, attempt) in enumerate(told)
        ]

    again = [("begin", 0, 1), ("begin", 1, 1), ("end", 1, 1), ("begin", 0, 2), ("end", 0, 2)]
    assert killing.at_once(signs(*again)) == set()
    assert killing.at_once(signs(*again, ("end", 0, 1))) == {0}


@pytest.mark.parametrize("case", ["consolidate", "consolidate-warped"])
def test_what_is_consolidated_is_read_as_before(data: Path, case: str) -> None:
    report = measure.measure(measure.Wanted(size=TINY, data=data, only=[case]), progress=lambda *_: None)
    [result] = report.results
    assert result.is_true
    found = values(result.figures)
    assert found["pixels that differ"] == 0
    assert {"of it prepare", "of it consolidate", "of it index", "of it swap", "of it clean"} <= found.keys()
    [run] = result.details["runs"]
    assert run["written"] > 0
    assert run["worker_bytes"] > 10e6
    json.dumps(report.to_json())


def test_images_are_cogs_in_the_middle_of_the_cell(data: Path) -> None:
    made = archive.make(data, TINY, zones=2, progress=lambda *_: None)
    for date in range(TINY.dates):
        path = made.path(date)
        valid, errors, _ = cog_validate(path, quiet=True)
        assert valid, errors
        with rasterio.open(path) as file:
            assert file.crs.to_string() == scenes.ZONES[date % 2]
            assert (file.shape, file.nodata) == ((256, 256), 0)
            share = (file.read(1) == 0).mean()
            assert share <= scenes.CLOUDS
            left, bottom, right, top = rasterio.warp.transform_bounds(file.crs, made.cell.crs, *file.bounds)
        west, south, east, north = made.cell.bounds.as_tuple()
        assert west <= left < right <= east
        assert south <= bottom < top <= north


def test_pixels_that_differ_are_counted() -> None:
    def planes(values: Any, valid: Any) -> Planes:
        return Planes(values=np.array(values, np.uint16), valid=np.array(valid, np.bool_), dates=1)

    was = planes([[[1, 2, 3, 4]]], [[[1, 1, 0, 1]]])
    assert was.differences(planes([[[1, 2, 9, 4]]], [[[1, 1, 0, 1]]])) == 0, "what is not valid has no value"
    assert was.differences(planes([[[1, 7, 3, 4]]], [[[1, 1, 0, 0]]])) == 2
    assert was.differences(replace(was, dates=0)) == 4


def prismcube(*words: object) -> tuple[int, str]:
    """(exit code, everything it printed)"""
    environment = {name: value for name, value in os.environ.items() if name != "PRISMCUBE_BENCH_POSTGRES"}
    ended = commands.run("bench", "jobs", *words, env={**environment, "COLUMNS": "200"})
    return ended.returncode, ended.stdout + ended.stderr


def test_the_command_prints_a_table_and_writes_json(data: Path, tmp_path: Path) -> None:
    cases = ("--case", "ledger-sqlite", "--case", "ledger-postgresql", "--case", "kill", "--tasks", 100)
    code, text = prismcube("--size", "small", *cases, "--data", data, "--json", tmp_path / "f.json")
    assert code == 0, text
    told = json.loads((tmp_path / "f.json").read_text())
    assert {"machine", "versions", "size", "cases", "not_measured"} <= told.keys()
    assert [one["case"] for one in told["cases"]] == ["ledger-sqlite", "kill"]
    assert told["not_measured"] == ["ledger-postgresql"]
    assert told["size"]["kill_tasks"] == 100
    ledger, kill = ({one["name"]: one for one in case["figures"]} for case in told["cases"])
    assert ledger["tasks in all"]["bar"] == 10_000
    assert kill["tasks lost"]["value"] == kill["effects wrong"]["value"] == 0
    assert kill["orchestrator killed: work goes on after"]["bar"] == 10
    assert all(name in text for name in [*ledger, *kill])
    assert "not measured, without PostgreSQL" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--case", "huge"), "--case"),
        (("--json", "/no/such/folder/figures.json"), "--json"),
        (("--database", "sqlite:////tmp/no.db"), "--database"),
        (("--tasks", 7), "--tasks"),
    ],
)
def test_mistakes_are_told(words: tuple[object, ...], told: str) -> None:
    code, text = prismcube(*words)
    assert code in (1, 2)
    assert told in text
    assert "Traceback" not in text
