"""Who asks for jobs, and whom they call: OWSLib, several users, callers with keys, subscribers; those who wait."""

from __future__ import annotations

import http.server
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import httpx
import pytest
from owslib.ogcapi.processes import Processes

from tests.http.job_client import LONG, Jobs


@pytest.fixture(scope="module")
def demo(executing):
    return executing


# --- others' clients -------------------------------------------------------------------------------------------------


def test_owslib_drives_a_job(demo, jobs):
    """Its client has no calls for jobs, so their links are followed."""
    client = Processes(demo.url)
    assert "echo" in [one["id"] for one in client.processes()]
    inputs = {"stringInput": client.process("echo")["inputs"]["stringInput"]["schema"]["example"]}
    assert client.execute("echo", inputs)["stringOutput"] == inputs["stringInput"]
    status = client.execute("echo", {**inputs, "pause": 0.2}, async_=True)
    assert jobs.wait(status["jobID"])["status"] == "successful"
    [found] = [one["href"] for one in jobs.status(status["jobID"])["links"] if one["rel"].endswith("/results")]
    assert httpx.get(found).json()["stringOutput"] == inputs["stringInput"]


def test_two_users_at_once(demo):
    """Each gets what he gave."""

    def run(number):
        with closing(Jobs(demo.url)) as user:
            return user.post({"stringInput": f"user {number}", "pause": 0.2}).json()["stringOutput"]

    with ThreadPoolExecutor(6) as pool:
        assert [*pool.map(run, range(6))] == [f"user {number}" for number in range(6)]


# --- who sees what ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def callers(guarded):
    found = {name: Jobs(guarded.url, {"X-API-Key": text}) for name, text in guarded.keys.items()}
    yield found
    for one in found.values():
        one.close()


def test_a_job_is_its_owners(callers, guarded):
    job = callers["writer"].submit({"stringInput": "mine"})
    callers["writer"].wait(job)
    for path in ("", "/results", "/results/stringOutput", "/logs", "/tasks", "/graph"):
        assert callers["writer"].get(f"/jobs/{job}{path}").status_code == 200
        assert callers["admin"].get(f"/jobs/{job}{path}").status_code == 200
        for other in ("editor", "reader"):
            answer = callers[other].get(f"/jobs/{job}{path}")
            assert (answer.status_code, answer.json()["detail"]) == (404, f"no job {job!r}")
        assert httpx.get(f"{guarded.url}/jobs/{job}{path}").status_code == 401
    assert job in callers["writer"].ids()
    assert job in callers["admin"].ids()
    assert job not in callers["editor"].ids()
    for verb in ("retry", "continue", "cancel"):
        assert callers["editor"].client.post(f"/jobs/{job}/{verb}").status_code == 404
    assert callers["editor"].client.delete(f"/jobs/{job}").status_code == 404
    assert callers["admin"].client.delete(f"/jobs/{job}").status_code == 200


def test_keys_of_idempotency_are_each_callers_own(callers):
    key = {"Idempotency-Key": "the-same"}
    assert callers["writer"].submit({}, headers=key) != callers["editor"].submit({}, headers=key)


def test_to_submit_needs_the_scope_write(callers, guarded):
    assert callers["reader"].post({}).status_code == 403
    assert callers["reader"].client.post("/processes/echo/estimate", json={}).status_code == 403
    assert httpx.post(f"{guarded.url}/processes/echo/execution", json={}).status_code == 401


def test_what_works_on_all_data_needs_that_all_may_be_changed(callers):
    """The writer may not read s2-romania, the keeper not write l8-paraguay."""
    wanted = {"collection": "l8-paraguay", "layout": "none"}
    for name in ("writer", "keeper"):
        assert callers[name].post(wanted, process="consolidate").status_code == 403
        assert callers[name].post({"stringInput": "a"}).status_code == 200
    assert callers["admin"].post(wanted, process="consolidate").json()["parameter"] == "layout"


# --- callbacks -------------------------------------------------------------------------------------------------------


def test_a_subscriber_is_called_back(tmp_path, start):
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            got.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(204)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    home = f"127.0.0.1:{server.server_port}"
    try:
        with (
            ExitStack() as stack,
            start(tmp_path / "home", "serve", JOBS__RUN="true", JOBS__CALLBACKS=json.dumps([home])) as running,
        ):
            stack.callback((jobs := Jobs(running.url)).close)
            uris = {name: f"http://{home}/{name}" for name in ("successUri", "inProgressUri", "failedUri")}
            good = jobs.submit({"stringInput": "a"}, subscriber=uris)
            bad = jobs.submit({"fail": "for-good"}, subscriber=uris)
            deadline = time.monotonic() + LONG
            while len(got) < 4:
                assert time.monotonic() < deadline, got
                time.sleep(0.1)
    finally:
        server.shutdown()
        server.server_close()
    assert {"stringOutput": "a", "doubleOutput": 5} in [body for path, body in got if path == "/successUri"]
    assert {body["jobID"] for path, body in got if path == "/inProgressUri"} == {good, bad}
    [told] = [body for path, body in got if path == "/failedUri"]
    assert (told["jobID"], told["exception"]["detail"]) == (bad, "fail: it was to fail")


def test_small_exports_are_waited_for(start, tmp_path):
    """Large ones are not, whatever the client would like: of more bytes than an answer may have."""
    collection = {"collection": "s2-romania", "properties": ["B4"], "datetime": "2016"}
    settings = {"JOBS__RUN": "true", "JOBS__PROCESSES": "1", "LIMITS__ANSWER_BYTES": "1000000"}
    with start(tmp_path / "home", "demo", **settings) as server:
        url = f"{server.url}/processes/export-cube/execution"
        small = {"inputs": {**collection, "bbox": [22.150, 45.203, 22.155, 45.206]}, "response": "document"}
        answer = httpx.post(url, json=small, timeout=LONG)
        assert answer.status_code == 200, answer.text
        assert httpx.get(answer.json()["cube"]["href"]).content[:4] in (b"\x89HDF", b"CDF\x01")
        large = httpx.post(url, json={"inputs": collection | {"width": 1000}}, timeout=LONG)
        assert large.status_code == 201, large.text
        assert httpx.delete(large.headers["location"]).status_code == 200
