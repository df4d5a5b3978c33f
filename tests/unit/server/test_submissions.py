"""Routes that wait for jobs, without processes: what is counted, logged and bounded."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from prismcube.cube.gate import MemoryGate
from prismcube.errors import CatalogueUnavailable, NotFound, SourceError, TimeExceeded
from providers.ogc.answer import PARSED, Answer, Context, Request
from providers.ogc.processes import estimate, execute
from server import submissions
from server.edge.clients import Places
from server.metrics import Metrics
from server.native import Times
from server.operation import Operation
from server.submissions import Submissions

TOTAL = 2**24
CONTEXT = Context(limits=None, temporary=Path("unused"), memory=MemoryGate(TOTAL), catalogue=None)


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def serving(monkeypatch, metrics):
    """A client of a route that has this handler."""

    def make(handler, *, places=100, queue=100, seconds=60):
        operation = Operation(path="/x", handler=handler, summary="", tag="", methods=("POST",))
        monkeypatch.setattr(submissions, "SUBMISSIONS", (operation,))
        times = Times(answer=seconds, stall=1)
        routes = Submissions(
            CONTEXT, places=Places(places), times=times, queue=queue, metrics=metrics, named=False
        ).routes()
        return TestClient(Starlette(routes=routes))

    return make


def counted(metrics, name):
    pairs = (line.rpartition(" ") for line in metrics.measured("")[0].decode().splitlines())
    return {key: float(value) for key, _, value in pairs if key.startswith(f"prismcube_{name}_total")}


def answer(context, request):
    return Answer(request.body, "text/plain")


@pytest.mark.parametrize(
    ("error", "status"),
    [(SourceError("a.tif", "is gone"), 502), (CatalogueUnavailable("the disk is full"), 503)],
)
def test_what_a_client_is_not_told_is_logged(serving, metrics, caplog, error, status):
    def failing(context, request):
        raise error

    found = serving(failing).post("/x")
    assert (found.status_code, "log says why" in found.json()["detail"]) == (status, True)
    assert str(error) in caplog.text
    if status == 502:
        assert counted(metrics, "failures") == {'prismcube_failures_total{kind="source"}': 1}


@pytest.mark.parametrize(
    ("limits", "status", "kind"),
    [({"places": 0}, 429, "client requests"), ({"queue": 0}, 503, "queue")],
)
def test_refusals_are_counted(serving, metrics, limits, status, kind):
    found = serving(answer, **limits).post("/x")
    assert found.status_code == status
    assert int(found.headers["retry-after"]) > 0
    assert counted(metrics, "refusals") == {f'prismcube_refusals_total{{kind="{kind}"}}': 1}


def test_bodies_have_room_only_while_they_are_answered(serving):
    client = serving(answer)
    for _ in range(3):
        assert client.post("/x", content=b"a" * (TOTAL // 2)).status_code == 200
    assert client.post("/x", content=b"a" * (TOTAL // 2 + 1)).status_code == 503


def test_work_ends_with_the_time_of_answers(serving, metrics):
    def slow(context, request):
        while True:
            context.stop()

    assert serving(slow, seconds=0.05).post("/x").status_code == 503
    assert counted(metrics, "timeouts")["prismcube_timeouts_total"] == 1


@pytest.mark.parametrize("handler", [estimate, execute])
@pytest.mark.parametrize(
    ("size", "is_free", "waits"), [(2**18, True, False), (2**18, False, True), (2**16, False, False)]
)
def test_large_documents_wait_for_room_before_they_are_parsed(handler, size, is_free, waits):
    def stop():
        raise TimeExceeded(1)

    context = replace(CONTEXT, stop=stop)
    assert size * PARSED < TOTAL
    taken = nullcontext() if is_free else context.memory.hold(TOTAL)
    with taken, pytest.raises(TimeExceeded if waits else NotFound):
        handler(context, Request(body=b" " * size), "echo")
