"""Execute requests, preferences, ranges, progress and pictures of jobs, without a server."""

from __future__ import annotations

import importlib
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.jobs.entities import Job, Task, WholeJob
from prismcube.jobs.graph import StageGraph
from prismcube.jobs.progress import progress, way
from prismcube.model.machine import Event, Level, Machine, Status, simple_machine
from prismcube.model.machines import CONSOLIDATE, DELETE_DATASETS
from prismcube.model.task_states import TaskState
from providers.ogc.answer import Answer, Request
from providers.ogc.processes.drawing import HEIGHT, WIDTH, draw, layout
from providers.ogc.processes.prefer import Preference
from providers.ogc.processes.ranges import part_of
from providers.schemas import for_openapi

MACHINES = {"simple": simple_machine("one", meaning="It works."), "cons": CONSOLIDATE, "del": DELETE_DATASETS}
SVG = "{http://www.w3.org/2000/svg}"
results = importlib.import_module("providers.ogc.processes.results")  # its package has a function of that name


@pytest.mark.parametrize(
    ("header", "synchronous", "seconds"),
    [
        ("", True, 60),
        ("", False, 0),
        ("respond-async", True, 0),
        ("respond-async", False, 0),
        ("respond-sync", True, 60),
        ("wait=10", True, 10),
        ("wait=10", False, 0),
        ("wait=1000", True, 60),
        ("wait=0", True, 0),
        ("respond-async, wait=5", True, 5),
        ('Respond-Async;q=1, WAIT="5"', True, 5),
        ("wait=soon", True, 60),
        ("wait=-5", True, 60),
        ("wait=5, wait=9", True, 5),
        ("nonsense=;;,,", True, 60),
    ],
)
def test_how_long_a_request_waits(header: str, synchronous: bool, seconds: float) -> None:
    assert Preference.parse(header).seconds(synchronous=synchronous, most=60) == seconds


@given(st.text(max_size=200))
def test_any_header_of_preferences_can_be_read(header: str) -> None:
    assert 0 <= Preference.parse(header).seconds(synchronous=True, most=60) <= 60


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("", None),
        ("bytes=0-9", (0, 10)),
        ("bytes=5-", (5, 100)),
        ("bytes=-5", (95, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=90-500", (90, 100)),
        ("bytes=100-", (100, 100)),
        ("bytes=-0", (100, 100)),
        ("bytes=9-5", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=-", None),
    ],
)
def test_parts_of_files(header: str, part: tuple[int, int] | None) -> None:
    """RFC 9110, 14.1.2 and 14.2."""
    assert part_of(header, 100) == part


def made(machine: Machine, stage: str, **values: Any) -> Job:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    job = Job(
        id="j", process="p", owner="", priority=0, level=Level.NONE, stage=stage,
        status=machine.stage(stage).status, paused=False, stopping="", message="", created=now, started=now,
        updated=now, finished=None, tasks=10, open=10, failed=0, done=0, bytes=0,
    )  # fmt: skip
    return replace(job, **values)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=[*MACHINES])
def test_progress_never_goes_back_on_the_way(machine: Machine) -> None:
    found = []
    for stage in way(machine):
        for open_ in (10, 5, 0):
            found.append(progress(made(machine, stage.name, open=open_), machine))
    assert found == sorted(found)  # type: ignore[type-var]  # None would fail
    assert found[0] == 0
    assert all(one is not None and one < 100 for one in found)
    for stage in machine.stages:
        if stage.status is Status.SUCCESSFUL:
            assert progress(made(machine, stage.name), machine) == 100


def test_progress_counts_what_runs() -> None:
    machine = MACHINES["simple"]
    assert progress(made(machine, "work", tasks=1, open=1), machine, running=0.4) == 40


def test_progress_rests_where_a_job_has_failed_and_is_none_while_it_takes_back() -> None:
    at = progress(made(CONSOLIDATE, "swap", tasks=1, open=1), CONSOLIDATE)
    assert progress(made(CONSOLIDATE, "swap-failed", tasks=0, open=0), CONSOLIDATE) == at
    assert progress(made(CONSOLIDATE, "rollback"), CONSOLIDATE) is None


class Stored:
    """The processes and files of a server that has one job, whose results `a`, `b`, ... are files of these sizes."""

    def __init__(self, *sizes: int) -> None:
        self.files = self
        self.sizes = dict(zip("abc", sizes, strict=False))

    def get(self, id: str) -> Any:
        return SimpleNamespace(outputs={name: SimpleNamespace(schema={}) for name in self.sizes})

    def uri(self, job: str, value: Any) -> str:
        return str(value["href"])

    def stat(self, uri: str) -> Any:
        return SimpleNamespace(size=self.sizes[uri])

    def read(self, uri: str) -> bytes:
        return uri.encode() * self.sizes[uri]


def test_an_answer_of_many_files_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond it has an address in place of its bytes, what fits after it is there."""
    stored: Any = Stored(6, 5, 4)
    monkeypatch.setattr(results, "store", stored)
    monkeypatch.setattr(results, "LARGEST_VALUE", 10)
    links = {name: {"href": name, "type": "image/tiff"} for name in stored.sizes}
    bare = made(MACHINES["simple"], "done")
    job = WholeJob(**vars(bare), inputs={}, results=links, request={"response": "raw"})
    found = results.answer(stored, job, Request(base="http://x"))
    assert isinstance(found, Answer)
    assert isinstance(found.body, bytes)
    assert (b"aaaaaa\r\n" in found.body, b"bbbbb" in found.body, b"cccc\r\n" in found.body) == (True, False, True)
    assert found.body.count(b"Content-Location: http://x/jobs/j/results/b\r\n") == 1
    assert found.body.count(b"Content-Location") == 1


def graph(machine: Machine, here: str, tasks: int = 0) -> list[StageGraph]:
    def some(stage: str) -> list[Task]:
        return [
            Task(
                id=n,
                job_id="j",
                stage=stage,
                state=[*TaskState][n % len(TaskState)],
                name=f"<task {n}>",
                payload={},
                bytes=0,
                attempt=1,
                failures=0,
                losses=0,
                orphaned=0,
                started=None,
                finished=None,
                due=None,
                progress=0,
                message="",
                result=None,
            )
            for n in range(tasks)
        ]

    return [
        StageGraph(
            stage=stage,
            is_here=stage.name == here,
            counts={TaskState.DONE: 1} if stage.task else {},
            tasks=some(stage.name) if stage.fans_out else [],
            edges=[(n, n + 1) for n in range(0, tasks - 1, 3)] if stage.fans_out else [],
        )
        for stage in machine.stages
    ]


@pytest.mark.parametrize("machine", MACHINES.values(), ids=[*MACHINES])
def test_no_two_stages_lie_upon_each_other_and_good_ones_follow_to_the_right(machine: Machine) -> None:
    places = layout(graph(machine, machine.first.name))
    assert places.keys() == {stage.name for stage in machine.stages}
    boxes = [*places.values()]
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT
    for stage in way(machine):
        assert places[stage.moves[Event.DONE]].x > places[stage.name].x


@pytest.mark.parametrize("machine", MACHINES.values(), ids=[*MACHINES])
@pytest.mark.parametrize("tasks", [0, 2, 60])
def test_the_picture_is_sound_and_shows_all(machine: Machine, tasks: int) -> None:
    picture = ET.fromstring(draw(graph(machine, machine.first.name, tasks), title="a <job>"))  # noqa: S314  # our own
    texts = [one.text for one in picture.iter(f"{SVG}text")]
    assert {stage.name for stage in machine.stages} <= {*texts}
    width, height = float(picture.get("width", 0)), float(picture.get("height", 0))
    squares = 0
    for box in picture.iter(f"{SVG}rect"):
        x, y = float(box.get("x", 0)), float(box.get("y", 0))
        assert x >= 0
        assert x + float(box.get("width", 0)) <= width
        assert y + float(box.get("height", 0)) <= height
        squares += (box.findtext(f"{SVG}title") or "").startswith("<task")
    assert squares == tasks * sum(stage.fans_out for stage in machine.stages)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"const": 1}, {"enum": [1]}),
        ({"exclusiveMinimum": 0}, {"minimum": 0, "exclusiveMinimum": True}),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": ["string", "number"]}, {"anyOf": [{"type": "string"}, {"type": "number"}]}),
        ({"items": {"const": "a"}}, {"items": {"enum": ["a"]}}),
    ],
)
def test_schemas_in_the_words_of_openapi(schema: dict[str, Any], words: dict[str, Any]) -> None:
    assert for_openapi(schema) == words
