"""Several at once, threads and processes, and writers that are killed: one row each, whole batches only."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from prismcube.catalogue import Catalogue, Change
from prismcube.catalogue.grids import StoredGrid
from prismcube.errors import Conflict, PrismcubeError
from prismcube.model.collection import Collection
from prismcube.model.custom_cells import CustomCell
from prismcube.model.entities import AOI, Container, Instance, Record, Variable
from prismcube.model.layout import Layout, SingleCell
from prismcube.model.palette import GREY, Palette
from prismcube.model.style import Channel, Style, StyleKind

ROOT = Path(__file__).parents[3]
THREADS, PROCESSES = 8, 3


def creators(catalogue: Any, make: Any) -> dict[str, Callable[[], Any]]:
    """By kind: what stores one and the same entity."""
    channel = Channel(field="a", low=0, high=1)
    variable = catalogue.variables.get("given").id
    cell = CustomCell(id="c", crs="EPSG:3857", footprint=make.square(0, 0))
    return {
        "record": lambda: catalogue.records.create(Record(name="r", time=make.T0, tags={"k": "v"})),
        "aoi": lambda: catalogue.aois.create(AOI(geometry=make.square(1, 2))),
        "variable": lambda: catalogue.variables.create(Variable(name="v", bands=("a",), format=make.FORMAT)),
        "instance": lambda: catalogue.instances.create(Instance(variable_id=variable, name="i")),
        "container": lambda: catalogue.containers.create(Container(uri="file:///a")),
        "collection": lambda: catalogue.collections.create(Collection(name="c")),
        "palette": lambda: catalogue.palettes.create(Palette("p", GREY.points)),
        "style": lambda: catalogue.styles.create(Style(name="s", kind=StyleKind.RGB, channels=(channel,) * 3)),
        "layout": lambda: catalogue.layouts.create(Layout(name="l", grid=SingleCell("EPSG:3857", 10), max_records=1)),
        "grid": lambda: catalogue.grids.create(StoredGrid(name="g"), [cell]),
    }


KINDS = ("record", "aoi", "variable", "instance", "container", "collection", "palette", "style", "layout", "grid")


@pytest.fixture
def filled(catalogue: Catalogue, make: Any) -> Catalogue:
    """A catalogue with the variable that instances are made of."""
    catalogue.variables.create(Variable(name="given", bands=("a",), format=make.FORMAT))
    return catalogue


def stored(catalogue: Any, kind: str) -> list[Any]:
    every = getattr(catalogue, f"{kind}s").list()
    return [one for one in every if getattr(one, "name", "") != "given"]


def at_once(work: Callable[[], Any]) -> list[Any]:
    """What it returns, or the error that it raises, in each of several threads that begin together."""
    outcomes: list[Any] = []
    start = threading.Barrier(THREADS)

    def run() -> None:
        start.wait()
        try:
            outcomes.append(work())
        except BaseException as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.parametrize("kind", KINDS)
def test_threads_that_create_the_same_make_one(filled: Catalogue, make: Any, kind: str) -> None:
    outcomes = at_once(creators(filled, make)[kind])
    [made] = [one for one in outcomes if not isinstance(one, BaseException)]
    conflicts = [one for one in outcomes if isinstance(one, Conflict)]
    assert len(conflicts) == THREADS - 1, outcomes
    assert {one.key for one in conflicts} == {made.name if kind == "collection" else made.id}
    assert [one.id for one in stored(filled, kind)] == [made.id]


@pytest.mark.parametrize("kind", ["record", "aoi", "instance"])
def test_threads_that_get_or_create_have_one_id(filled: Catalogue, make: Any, kind: str) -> None:
    variable = filled.variables.get("given").id or 0
    work: dict[str, Callable[[], Any]] = {
        "record": lambda: filled.records.get_or_create(Record(name="r", time=make.T0))[0],
        "aoi": lambda: filled.aois.get_or_create(AOI(geometry=make.square(1, 2))),
        "instance": lambda: filled.instances.get_or_create(Instance(variable_id=variable, name="i"))[0],
    }
    assert len({one.id for one in at_once(work[kind])}) == 1
    assert len(stored(filled, kind)) == 1


def test_threads_that_put_the_same_create_it_once(archive: Any, make: Any) -> None:
    catalogue = archive.catalogue
    work = {
        "variable": lambda: catalogue.variables.put(Variable(name="w", bands=("a",), format=make.FORMAT))[1],
        "container": lambda: catalogue.containers.put(Container(uri="file:///z"))[1],
        "collection": lambda: catalogue.collections.put(Collection(name="w"))[1],
        "palette": lambda: catalogue.palettes.put(Palette("p", GREY.points))[1],
        "files": lambda: catalogue.files.put_many([archive.entry("a")])[0],
    }
    for kind, put in work.items():
        outcomes = at_once(put)
        assert sorted(outcomes) == [Change.CREATED] + [Change.UNCHANGED] * (THREADS - 1), kind


def test_batches_that_overlap_store_each_file_once(archive: Any) -> None:
    catalogue = archive.catalogue
    archive.collection()
    batch = [archive.entry(f"{i}", record="shared" if i % 2 else f"r{i}") for i in range(30)]
    outcomes = at_once(lambda: catalogue.files.put_many(batch))
    assert sorted(chain.from_iterable(outcomes)) == ["created"] * 30 + ["unchanged"] * 30 * (THREADS - 1)
    assert catalogue.datasets.count() == 30
    assert len(catalogue.records.list()) == 16


def test_a_lock_is_had_by_one(archive: Any) -> None:
    archive.add("a")
    [one] = archive.catalogue.datasets.list()
    outcomes = at_once(lambda: archive.catalogue.datasets.lock([one.id], threading.current_thread().name))
    assert sorted(type(one).__name__ for one in outcomes) == ["Conflict"] * (THREADS - 1) + ["NoneType"]
    assert len(archive.catalogue.datasets.locks([one.id])) == 1


HELPERS = """
import importlib.util, json, os, signal, sys
from prismcube.catalogue import Catalogue, files
from prismcube.errors import Conflict

def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module

url, folder, *arguments = sys.argv[1:]
conftest = load("helpers", folder + "/conftest.py")
catalogue = Catalogue(url)
"""

CREATES = (
    HELPERS
    + """
creators = load("creators", folder + "/test_concurrency.py").creators(catalogue, conftest)
for kind in creators:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        outcome = ["created", creators[kind]().id]
    except Conflict as error:
        outcome = ["conflict", error.key]
    print(json.dumps(outcome), flush=True)
"""
)

WRITES = (
    HELPERS
    + """
step, deadly = arguments[0], int(arguments[1])
archive = conftest.Archive(catalogue)
for number in range(5):
    if number == deadly:
        setattr(files, step, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    catalogue.files.put_many([archive.entry(f"{number} {i}") for i in range(20)])
    print(number, flush=True)
"""
)


@contextmanager
def running(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: Any) -> str:
    text: str = process.stdout.readline()
    assert text, process.stderr.read()
    return text.strip()


def test_processes_that_create_the_same_make_one(filled: Catalogue, url: str) -> None:
    folder = str(Path(__file__).parent)
    with ExitStack() as stack:
        processes = [stack.enter_context(running(CREATES, url, folder)) for _ in range(PROCESSES)]
        for kind in KINDS:
            assert {line(process) for process in processes} == {"ready"}
            for process in processes:
                process.stdin.write("go\n")
                process.stdin.flush()
            outcomes = [json.loads(line(process)) for process in processes]
            [made] = stored(filled, kind)
            key = made.name if kind == "collection" else made.id
            assert sorted(outcomes, key=str) == [["conflict", key]] * (PROCESSES - 1) + [["created", made.id]], kind
        for process in processes:
            assert process.wait(timeout=60) == 0


@pytest.mark.parametrize("step", ["insert_with_ids", "insert_rows", "publish"])
def test_a_writer_that_is_killed_leaves_whole_batches(archive: Any, url: str, step: str) -> None:
    catalogue = archive.catalogue
    archive.collection()
    with running(WRITES, url, str(Path(__file__).parent), step, "2") as process:
        out, problem = process.communicate(timeout=120)
    assert (process.returncode, out.split()) == (-signal.SIGKILL, ["0", "1"]), problem
    assert_whole(archive, batches=2)

    outcomes: list[Change | PrismcubeError] = []
    for number in range(5):  # the same again
        outcomes += catalogue.files.put_many([archive.entry(f"{number} {i}") for i in range(20)])
    assert outcomes == [Change.UNCHANGED] * 40 + [Change.CREATED] * 60
    assert_whole(archive, batches=5)


def test_a_writer_that_is_killed_at_any_time_leaves_whole_batches(archive: Any, url: str) -> None:
    archive.collection()
    with running(WRITES, url, str(Path(__file__).parent), "", "-1") as process:
        assert line(process) == "0"
        process.kill()  # wherever the next batch is by now
        process.wait(timeout=60)
    with archive.catalogue.transaction():  # after what the server still does of it
        pass
    left = archive.catalogue.datasets.count() // 20
    assert 1 <= left <= 5
    assert_whole(archive, batches=left)


def assert_whole(archive: Any, *, batches: int) -> None:
    """The catalogue has all of so many batches and nothing of any other; counts and notices agree."""
    catalogue = archive.catalogue
    uris = [f"file:///{number} {i}" for number in range(batches) for i in range(20)]
    assert {one.uri for one in catalogue.containers.list(limit=1000)} == {*uris}
    assert {one.name for one in catalogue.records.list(limit=1000)} == {uri[8:] for uri in uris}
    known = catalogue.files.known(uris)
    assert [len(holding.datasets) for uri in uris for holding in known[uri].holdings] == [1] * len(uris)
    assert catalogue.datasets.count() == len(uris)
    with catalogue.engine.connect() as connection:
        count = connection.exec_driver_sql
        assert count("SELECT count(*) FROM dataset_band").scalar() == 2 * len(uris)
        assert count("SELECT sum(number) FROM collection_time").scalar() == len(uris)
    notices = [one for one in catalogue.outbox.after(0, limit=1000) if one.kind == "data"]
    assert len(notices) == batches
