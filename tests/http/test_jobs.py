"""Jobs over HTTP: lists and their filters, steering, results, keys, callbacks; and OWSLib as a client."""

from __future__ import annotations

import http.server
import json
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import datetime

import httpx
import pytest
from owslib.ogcapi.processes import Processes

LONG = 120
"""Seconds after which a test that waits has failed: a bound for hanging, not a measure."""
OWN = "prismcube:job"
ASYNC = {"Prefer": "respond-async"}


class Jobs:
    """Submits to a server, as one caller."""

    def __init__(self, url, headers=None):
        self.url = url
        self.client = httpx.Client(base_url=url, headers=headers or {}, timeout=LONG)

    def close(self):
        self.client.close()

    def post(self, inputs=None, *, headers=None, process="echo", **more):
        body = {"inputs": inputs or {}, "response": "document", **more}
        return self.client.post(f"/processes/{process}/execution", json=body, headers=headers)

    def submit(self, inputs=None, *, headers=None, **more):
        """The id of a new job, which nobody waits for."""
        answer = self.post(inputs, headers={**ASYNC, **(headers or {})}, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()["jobID"]

    def get(self, path, **params):
        return self.client.get(path, params=params or None)

    def status(self, job):
        answer = self.get(f"/jobs/{job}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, job, *statuses):
        deadline = time.monotonic() + LONG
        while (found := self.status(job))["status"] not in (statuses or ("successful", "failed", "dismissed")):
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def ids(self, **params):
        answer = self.get("/jobs", **params)
        assert answer.status_code == 200, answer.text
        return [one["jobID"] for one in answer.json()["jobs"]]


@pytest.fixture(scope="module")
def demo(executing):
    return executing


@pytest.fixture(scope="module")
def jobs(demo):
    with closing(Jobs(demo.url)) as one:
        yield one


@pytest.fixture(scope="module")
def some(jobs):
    """{name: id} of jobs in different states; `slow` ran for a second at least."""
    found = {
        "good": jobs.submit({"stringInput": "a"}),
        "slow": jobs.submit({"pause": 1.2}),
        "bad": jobs.submit({"fail": "for-good"}),
        "paused": jobs.submit({}, **{OWN: {"level": "all"}}),
        "tidy": jobs.submit({}, process="tidy"),
    }
    for name in ("good", "slow", "bad", "tidy"):
        jobs.wait(found[name])
    return found


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_newest_come_first(jobs, some):
    assert [id for id in jobs.ids(limit=1000) if id in some.values()] == [*some.values()][::-1]


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"type": "process"}, {"good", "slow", "bad", "paused", "tidy"}),
        ({"type": "other"}, set()),
        ({"processID": "tidy"}, {"tidy"}),
        ({"processID": "tidy,echo"}, {"good", "slow", "bad", "paused", "tidy"}),
        ({"processID": "nothing"}, set()),
        ({"status": "failed"}, {"bad"}),
        ({"status": "failed,accepted"}, {"bad", "paused"}),
        ({"maxDuration": "0", "processID": "echo", "status": "accepted"}, set()),
        ({"minDuration": "1000000"}, set()),
        ({"datetime": "1999"}, set()),
        ({"datetime": "2000-01-01T00:00:00Z/.."}, {"good", "slow", "bad", "paused", "tidy"}),
    ],
)
def test_each_filter_counts(jobs, some, params, names):
    found = set(jobs.ids(limit=1000, **params))
    assert {name for name, id in some.items() if id in found} == names


def test_durations(jobs, some):
    """How long each took is in its status, whatever the machine was busy with."""
    took = {}
    for name in ("good", "slow", "bad", "tidy"):
        status = jobs.status(some[name])
        times = [datetime.fromisoformat(status[moment]) for moment in ("started", "finished")]
        took[some[name]] = (times[1] - times[0]).total_seconds()
    assert max(took.values()) > 1
    for bound in (0, 1, 2, 5, LONG):
        least, most = set(jobs.ids(limit=1000, minDuration=bound)), set(jobs.ids(limit=1000, maxDuration=bound))
        assert least & took.keys() == {id for id, seconds in took.items() if seconds >= bound}
        assert most & took.keys() == {id for id, seconds in took.items() if seconds <= bound}
        assert some["paused"] not in least | most


def test_jobs_of_one_instant(jobs, some):
    created = jobs.status(some["bad"])["created"]
    assert jobs.ids(datetime=created) == [some["bad"]]
    assert some["bad"] not in jobs.ids(datetime=f"../{jobs.status(some['good'])['created']}", limit=1000)


def test_pages(jobs, some):
    everything = jobs.ids(limit=1000)
    found, url = [], "/jobs?limit=2"
    while url:
        page = jobs.client.get(url).json()
        assert len(page["jobs"]) <= 2
        found += [one["jobID"] for one in page["jobs"]]
        url = next((one["href"] for one in page["links"] if one["rel"] == "next"), None)
    assert found == everything


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/jobs", "status", "perhaps"), ("/jobs", "limit", "0"), ("/jobs", "datetime", "yesterday"),
        ("/jobs", "minDuration", "-1"), ("/jobs", "maxDuration", "soon"), ("/jobs", "after", "x"),
        ("/jobs", "after", "0001-01-01T00:00:00+23:00~a"),
        ("/jobs", "colour", "red"),
        ("/jobs/{good}", "colour", "red"), ("/jobs/{good}/tasks", "state", "perhaps"),
        ("/jobs/{good}/tasks", "after", "x"),
        ("/jobs/{good}/logs", "newest", "perhaps"), ("/jobs/{good}/logs", "before", "-1"),
        ("/jobs/{good}/logs", "level", "perhaps"), ("/jobs/{good}/graph", "f", "png"),
        ("/jobs/{good}/results", "f", "png"), ("/jobs/{good}/results/stringOutput", "f", "json"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_named(jobs, some, path, name, value):
    answer = jobs.get(path.format(**some), **{name: value})
    assert (answer.status_code, answer.json()["parameter"]) == (400, name)


# --- tasks, log, graph -----------------------------------------------------------------------------------------------


def test_tasks(jobs, some):
    [task] = jobs.get(f"/jobs/{some['good']}/tasks").json()["tasks"]
    assert (task["name"], task["state"], task["progress"], task["attempt"]) == ("work", "done", 100, 1)
    assert jobs.get(f"/jobs/{some['good']}/tasks", state="failed").json()["tasks"] == []
    assert jobs.get(f"/jobs/{some['good']}/tasks", stage="other").json()["tasks"] == []
    assert jobs.get(f"/jobs/{some['good']}/tasks", stage="work").json()["tasks"] == [task]
    assert jobs.get(f"/jobs/{some['good']}/tasks", after=task["id"]).json()["tasks"] == []


def test_log(jobs, some):
    lines = jobs.get(f"/jobs/{some['bad']}/logs").json()["logs"]
    assert lines[0]["message"] == "submitted"
    assert {line["level"] for line in lines} == {"info", "error"}
    errors = jobs.get(f"/jobs/{some['bad']}/logs", level="error").json()["logs"]
    assert errors == [line for line in lines if line["level"] == "error"]
    first = jobs.get(f"/jobs/{some['bad']}/logs", limit=1).json()
    assert first["logs"] == lines[:1]
    [following] = [one["href"] for one in first["links"] if one["rel"] == "next"]
    assert jobs.client.get(following).json()["logs"] == lines[1:2]
    found, url = [], f"/jobs/{some['bad']}/logs?newest=true&limit=2"
    while url:
        page = jobs.client.get(url).json()
        found = page["logs"] + found
        url = next((one["href"] for one in page["links"] if one["rel"] == "prev"), None)
    assert found == lines
    assert len(lines) > 2
    last = jobs.get(f"/jobs/{some['bad']}/logs", newest="true", limit=2, after=lines[0]["id"]).json()["logs"]
    assert last == lines[1:][-2:]
    assert jobs.get(f"/jobs/{some['bad']}/logs", before=lines[1]["id"]).json()["logs"] == lines[:1]
    assert jobs.get(f"/jobs/{some['bad']}/logs", newest="true", after=lines[-1]["id"]).json()["logs"] == []


def test_graph(jobs, some):
    document = jobs.get(f"/jobs/{some['bad']}/graph").json()
    stages = {one["name"]: one for one in document["stages"]}
    assert [name for name, one in stages.items() if one["isHere"]] == [document["stage"]] == ["failed"]
    assert stages["work"]["counts"] == {"failed": 1}
    assert stages["work"]["moves"] == {"done": "done", "failed": "failed", "cancel": "cancelled"}
    picture = jobs.get(f"/jobs/{some['bad']}/graph", f="svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert all(f">{name}</text>" in picture.text for name in stages)


# --- steering --------------------------------------------------------------------------------------------------------


def links(status):
    return {one["rel"]: one for one in status["links"]}


def test_a_failed_job_is_retried(jobs):
    job = jobs.submit({"stringInput": "a", "fail": "until-retried"})
    failed = jobs.wait(job)
    assert (failed["status"], failed["message"]) == ("failed", "fail: it was to fail until it is retried")
    link = links(failed)["retry"]
    assert link["method"] == "POST"
    assert jobs.client.post(link["href"]).status_code == 200
    assert jobs.wait(job, "successful")["status"] == "successful"
    assert jobs.get(f"/jobs/{job}/results").json()["stringOutput"] == "a"
    again = jobs.client.post(link["href"])
    assert (again.status_code, again.json()["entity"]) == (409, "job")


def test_a_running_job_is_retried_by_force_only(jobs):
    job = jobs.submit({"pause": LONG})
    running = jobs.wait(job, "running")
    assert jobs.client.post(f"/jobs/{job}/retry").status_code == 409
    link = links(running)["force-retry"]
    assert link["method"] == "POST"
    assert jobs.client.post(link["href"]).status_code == 200
    deadline = time.monotonic() + LONG
    while jobs.get(f"/jobs/{job}/tasks").json()["tasks"][0]["attempt"] < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    jobs.client.delete(f"/jobs/{job}")


def test_a_job_waits_for_continue(jobs):
    job = jobs.submit({"stringInput": "a"}, **{OWN: {"level": "all"}})
    status = jobs.status(job)
    assert (status["status"], status[OWN]["paused"]) == ("accepted", True)
    assert "continue" in links(status)
    assert "force-retry" not in links(status)
    assert jobs.client.post(f"/jobs/{job}/retry?force=true").status_code == 409
    assert jobs.client.post(f"/jobs/{job}/continue").json()[OWN]["paused"] is False
    assert jobs.wait(job)["status"] == "successful"
    assert jobs.client.post(f"/jobs/{job}/continue").status_code == 409


def test_a_job_is_cancelled(jobs):
    job = jobs.submit({"pause": LONG})
    running = jobs.wait(job, "running")
    assert jobs.client.post(links(running)["cancel"]["href"]).json()["status"] == "dismissed"
    deadline = time.monotonic() + LONG
    while jobs.status(job)[OWN]["stopping"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    [task] = jobs.get(f"/jobs/{job}/tasks").json()["tasks"]
    assert task["state"] == "cancelled"
    assert not {"retry", "force-retry", "continue", "cancel"} & links(jobs.status(job)).keys()


def test_to_dismiss_twice_is_to_dismiss_once_and_then_to_remove(jobs):
    job = jobs.submit({"fail": "for-good"})
    jobs.wait(job, "failed")
    assert jobs.client.delete(f"/jobs/{job}").json()["status"] == "dismissed"
    deadline = time.monotonic() + LONG
    while jobs.status(job)[OWN]["stopping"]:
        assert jobs.client.delete(f"/jobs/{job}").status_code == 200
        assert time.monotonic() < deadline
        if jobs.get(f"/jobs/{job}").status_code == 404:
            return
    assert jobs.client.delete(f"/jobs/{job}").status_code == 200
    assert jobs.get(f"/jobs/{job}").status_code == 404


@pytest.mark.parametrize("path", ["retry", "continue", "cancel"])
def test_steering_is_by_post(jobs, some, path):
    assert jobs.get(f"/jobs/{some['good']}/{path}").status_code == 405


def test_priority_and_level_are_kept(jobs):
    job = jobs.submit({}, **{OWN: {"level": "all", "priority": 7}})
    assert (jobs.status(job)[OWN]["level"], jobs.status(job)[OWN]["priority"]) == ("all", 7)
    jobs.client.delete(f"/jobs/{job}")


def test_a_job_stops_at_its_time(jobs):
    job = jobs.submit({"pause": LONG}, **{OWN: {"seconds": 1}})
    ended = jobs.wait(job)
    assert (ended["status"], "its 1 s are over" in ended["message"]) == ("failed", True)
    assert jobs.client.post(f"/jobs/{job}/retry").status_code == 200  # at once
    jobs.client.delete(f"/jobs/{job}")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"colour": 1}, "colour"), ({"inputs": {"complexObjectInput": {"a\0": "b"}}}, "inputs.complexObjectInput"),
        ({"inputs": {"stringInput": "a\0b"}}, "inputs.stringInput"),
        ({"inputs": []}, "inputs"), ({"outputs": {"nothing": {}}}, "outputs.nothing"),
        ({"outputs": {"stringOutput": {"transmissionMode": "post"}}}, "outputs.stringOutput.transmissionMode"),
        ({"outputs": {"stringOutput": {"format": {"mediaType": "a/b"}}}}, "outputs.stringOutput.format.mediaType"),
        ({"outputs": {"stringOutput": {"format": {"encoding": "base64"}}}}, "outputs.stringOutput.format.encoding"),
        ({"outputs": {"stringOutput": {"format": {"schema": 1}}}}, "outputs.stringOutput.format.schema"),
        ({"inputs": {"stringInput": {"value": "a", "encoding": "base64"}}}, "inputs.stringInput.encoding"),
        ({"response": "loud"}, "response"), ({"subscriber": {"successUri": "x"}}, "subscriber.successUri"),
        ({"subscriber": {"successUri": f"http://a.example/{'a' * 2000}"}}, "subscriber.successUri"),
        ({"subscriber": {"successUri": "http://10.0.0.1/"}}, "subscriber.successUri"),
        ({"subscriber": {"failedUri": "http://169.254.169.254/latest"}}, "subscriber.failedUri"),
        ({"subscriber": {"otherUri": "http://a.example/"}}, "subscriber.otherUri"),
        ({OWN: {"level": "some"}}, f"{OWN}.level"), ({OWN: {"priority": 101}}, f"{OWN}.priority"),
        ({OWN: {"mostBytes": 0}}, f"{OWN}.mostBytes"), ({OWN: {"seconds": -1}}, f"{OWN}.seconds"),
        ({OWN: {"mostBytes": 9}}, f"{OWN}.mostBytes"),
        ({OWN: {"colour": 1}}, f"{OWN}.colour"),
    ],
)  # fmt: skip
def test_wrong_requests_are_refused_and_store_nothing(jobs, body, place):
    before = jobs.ids(limit=1)
    answer = jobs.client.post("/processes/echo/execution", json=body)
    assert (answer.status_code, answer.json()["parameter"]) == (400, place), answer.text
    assert jobs.ids(limit=1) == before


@pytest.mark.parametrize("verb", ["execution", "estimate"])
@pytest.mark.parametrize(
    ("process", "inputs"),
    [
        ("tidy", {}),
        ("delete-datasets", {"collection": "s2-romania"}),
        ("index", {"files": ["/"], "mapping": {}}),
        ("register", {"sources": ["/"], "mapping": {}, "deep": False}),
    ],
)
def test_a_limit_of_bytes_is_refused_where_none_are_counted(jobs, process, inputs, verb):
    before = jobs.ids(limit=1)
    body = {"inputs": inputs, OWN: {"mostBytes": 10**9}}
    answer = jobs.client.post(f"/processes/{process}/{verb}", json=body)
    assert (answer.status_code, answer.json()["parameter"]) == (400, f"{OWN}.mostBytes"), answer.text
    assert f"{process} reads no pixels" in answer.json()["detail"]
    assert jobs.ids(limit=1) == before


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b"3"])
def test_what_is_no_json_object_is_refused(jobs, content):
    kind = {"Content-Type": "application/json"}
    assert jobs.client.post("/processes/echo/execution", content=content, headers=kind).status_code == 400
    form = jobs.client.post("/processes/echo/execution", data={"a": "b"})
    assert form.status_code == 415


@pytest.mark.parametrize("depth", [150, 400, 1000, 100_000])
def test_what_is_nested_too_deeply_is_refused(jobs, depth):
    content = '{"inputs": {"complexObjectInput": ' + '{"a":' * depth + "1" + "}" * depth + "}}"
    kind = {"Content-Type": "application/json"}
    assert jobs.client.post("/processes/echo/execution", content=content, headers=kind).status_code == 400


def test_an_estimate_stores_nothing(jobs):
    before = jobs.ids(limit=1)
    answer = jobs.client.post("/processes/echo/estimate", json={"inputs": {"pause": 3}})
    assert answer.json() == {
        "processID": "echo", "tasks": 1, "files": 0, "readBytes": 0, "writtenBytes": 0, "seconds": 3,
    }  # fmt: skip
    assert jobs.client.post("/processes/echo/estimate", json={"inputs": {"pause": -3}}).status_code == 400
    assert jobs.ids(limit=1) == before


def test_an_estimate_of_what_is_not_there_says_so(jobs):
    wanted = {"inputs": {"collection": "atlantis", "layout": "nothing"}}
    answer = jobs.client.post("/processes/consolidate/estimate", json=wanted)
    assert (answer.status_code, answer.json()["parameter"]) == (400, "layout"), answer.text
    assert "nothing" in answer.json()["detail"]
    for wanted, place in (({"collection": "atlantis"}, "collection"), ({"instances": ["a/b"]}, "instances")):
        for verb in ("execution", "estimate"):
            answer = jobs.client.post(f"/processes/delete-datasets/{verb}", json={"inputs": wanted})
            assert (answer.status_code, answer.json()["parameter"]) == (400, place), answer.text


# --- keys and origins ------------------------------------------------------------------------------------------------


def test_the_same_key_is_the_same_job(jobs):
    key = {"Idempotency-Key": f'"{time.time_ns()}"'}
    first = jobs.submit({"stringInput": "a"}, headers=key)
    assert jobs.submit({"stringInput": "a"}, headers=key) == first
    other = jobs.post({"stringInput": "b"}, headers=key)
    assert (other.status_code, other.json()["entity"]) == (409, "idempotency key")
    assert jobs.post({}, headers={"Idempotency-Key": "a b"}).json()["parameter"] == "Idempotency-Key"


def test_many_with_the_same_key_at_once_are_one_job(jobs):
    key = {"Idempotency-Key": str(time.time_ns())}
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(lambda _: jobs.submit({"stringInput": "a"}, headers=key), range(16))]
    assert len(set(found)) == 1


@pytest.mark.parametrize(("method", "path"), [("POST", "/processes/echo/execution"), ("DELETE", "/jobs/x")])
def test_pages_of_other_sites_start_and_stop_nothing(jobs, method, path):
    answer = jobs.client.request(method, path, headers={"Origin": "https://evil.example"}, json={})
    assert answer.status_code == 403
    assert "evil.example" in answer.json()["detail"]


def test_jobs_are_kept_by_nobody(jobs, some):
    for path in ("/jobs", f"/jobs/{some['good']}", f"/jobs/{some['good']}/results", f"/jobs/{some['good']}/logs"):
        assert jobs.get(path).headers["cache-control"] == "no-store", path


# --- results in files ------------------------------------------------------------------------------------------------


def write(demo, job, **columns):
    """Change the row of a job, or what it has answered."""
    values = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in columns.items()}
    with closing(sqlite3.connect(demo.home / "catalogue.sqlite", timeout=LONG)) as connection, connection:
        if results := values.pop("results", None):
            connection.execute("UPDATE job_document SET results = ? WHERE job_id = ?", (results, job))
        for name, value in values.items():
            connection.execute(f"UPDATE job SET {name} = ? WHERE id = ?", (value, job))


def test_a_job_whose_row_can_not_be_read_is_listed_with_all_others_and_goes(demo, jobs, some):
    """Whether it has ended, or waits and is stopped first."""
    ended, paused = jobs.submit({"stringInput": "a"}), jobs.submit({}, **{OWN: {"level": "all"}})
    jobs.wait(ended)
    write(demo, ended, level="odd", created="yesterday", results="no JSON")
    write(demo, paused, level="odd")
    assert {ended, paused, *some.values()} <= set(jobs.ids(limit=1000))
    assert jobs.get("/jobs", f="html").status_code == 200
    for job, columns in ((ended, ["level", "created"]), (paused, ["level"])):
        status = jobs.status(job)
        assert (status["processID"], status[OWN]["unreadable"]) == ("echo", columns)
        assert all(f"job.{column}" in status["message"] for column in columns)
        assert ("created" in status) == ("created" not in columns)
        assert jobs.get(f"/jobs/{job}", f="html").status_code == 200
    refused = jobs.get(f"/jobs/{ended}/results")
    assert refused.status_code == 500
    assert "results" in refused.json()["detail"]
    assert jobs.client.delete(f"/jobs/{paused}").status_code == 200
    jobs.wait(paused, "dismissed")
    deadline = time.monotonic() + LONG
    while jobs.get(f"/jobs/{paused}").status_code == 200:  # it is removed once it has stopped
        assert jobs.client.delete(f"/jobs/{paused}").status_code in (200, 409)
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert jobs.client.delete(f"/jobs/{ended}").status_code == 200
    assert not {ended, paused} & set(jobs.ids(limit=1000))


@pytest.fixture
def with_file(demo, jobs):
    """A job one of whose results is a file; the file."""
    job = jobs.submit({"stringInput": "a"})
    jobs.wait(job)
    folder = demo.home / "storage" / "results" / job
    folder.mkdir(parents=True)
    file = folder / "cube.tif"
    file.write_bytes(bytes(range(256)) * 1000)
    results = {"stringOutput": "a", "imagesOutput": {"href": file.as_uri(), "type": "image/tiff"}}
    write(demo, job, results=results)
    return job, file


def test_a_file_is_a_link_and_comes_whole_or_in_parts(jobs, with_file):
    job, file = with_file
    content = file.read_bytes()
    link = jobs.get(f"/jobs/{job}/results").json()["imagesOutput"]
    assert link == {"href": f"{jobs.url}/jobs/{job}/results/imagesOutput", "type": "image/tiff"}
    whole = jobs.client.get(link["href"])
    assert (whole.content, whole.headers["content-type"]) == (content, "image/tiff")
    assert whole.headers["content-length"] == str(len(content))
    assert whole.headers["accept-ranges"] == "bytes"
    etag = whole.headers["etag"]
    assert jobs.client.get(link["href"], headers={"If-None-Match": etag}).status_code == 304
    has = jobs.client.get(link["href"], headers={"If-None-Match": f'W/"x", {etag}', "Range": "bytes=0-9"})
    assert (has.status_code, has.content) == (304, b"")  # RFC 9110, 13.2.2
    for asked, part in (
        ("0-9", content[:10]),
        ("255990-", content[255990:]),
        ("-5", content[-5:]),
        ("5-999999", content[5:]),
    ):
        answer = jobs.client.get(link["href"], headers={"Range": f"bytes={asked}", "If-Range": etag})
        assert (answer.status_code, answer.content) == (206, part), asked
        start = content.index(part) if asked != "-5" else len(content) - 5
        if asked != "0-9":
            start = len(content) - len(part)
        assert answer.headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{len(content)}"
    assert jobs.client.get(link["href"], headers={"Range": "bytes=0-9", "If-Range": '"old"'}).content == content
    beyond = jobs.client.get(link["href"], headers={"Range": "bytes=999999-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(content)}")
    assert jobs.client.head(link["href"]).headers["content-length"] == str(len(content))


def test_files_go_with_their_job(jobs, with_file):
    job, file = with_file
    assert jobs.client.delete(f"/jobs/{job}").status_code == 200
    assert not file.parent.exists()


def test_files_of_others_are_not_handed_out(demo, jobs, with_file):
    """Whatever the row of a job says."""
    job, _ = with_file
    results = {"imagesOutput": {"href": (demo.home / "catalogue.sqlite").as_uri(), "type": "text/plain"}}
    write(demo, job, results=results)
    answer = jobs.get(f"/jobs/{job}/results/imagesOutput")
    assert answer.json() == results["imagesOutput"]  # the value, not the file


@pytest.mark.parametrize("href", ["file://other/x", "s3://", "http://["])
def test_a_link_that_is_no_uri_is_a_value(demo, jobs, some, href):
    write(demo, some["slow"], results={"complexObjectOutput": {"href": href}})
    assert jobs.get(f"/jobs/{some['slow']}/results").json()["complexObjectOutput"] == {"href": href}
    assert jobs.get(f"/jobs/{some['slow']}/results/complexObjectOutput").json() == {"href": href}


@pytest.mark.parametrize(("status", "stage"), [("running", "work"), ("dismissed", "cancelled"), ("failed", "failed")])
def test_what_has_not_ended_well_has_no_results(demo, jobs, with_file, status, stage):
    """Whatever its row has of them."""
    job, file = with_file
    paths = jobs.get("/openapi").json()["paths"]
    write(demo, job, status=status, stage=stage)
    for path in ("", "/stringOutput", "/imagesOutput", "/nothing"):
        answer = jobs.get(f"/jobs/{job}/results{path}")
        assert answer.status_code == (422 if status == "failed" else 404)
        assert answer.json()["title"]
        known = paths[f"/jobs/{{jobID}}/results{'/{outputID}' if path else ''}"]["get"]["responses"]
        assert {str(answer.status_code), "502"} <= known.keys()
    write(demo, job, status="successful", stage="done")
    assert jobs.get(f"/jobs/{job}/results/imagesOutput").content == file.read_bytes()
    assert jobs.client.delete(f"/jobs/{job}").status_code == 200


def test_what_is_still_taken_back_keeps_its_files(demo, jobs, with_file):
    job, file = with_file
    write(demo, job, status="dismissed", process="consolidate", stage="rollback", work="consolidate.never", open=1)
    refused = jobs.client.delete(f"/jobs/{job}")
    assert (refused.status_code, refused.json()["entity"]) == (409, "job")
    assert file.exists()
    write(demo, job, stage="cancelled", work="", open=0)
    assert jobs.client.delete(f"/jobs/{job}").status_code == 200
    assert not file.exists()


@pytest.mark.parametrize("ended", [True, False])
def test_a_job_whose_process_is_gone_is_seen_and_removed(demo, jobs, with_file, ended):
    job, file = with_file
    write(demo, job, process="of-a-plug-in", **({} if ended else {"status": "running", "stage": "work", "open": 1}))
    assert job in jobs.ids(limit=1000)
    status = jobs.status(job)
    assert (status["processID"], "of-a-plug-in" in status[OWN]["meaning"]) == ("of-a-plug-in", True)
    assert jobs.get(f"/jobs/{job}/logs").json()["logs"]
    assert jobs.get(f"/jobs/{job}/tasks").json()["tasks"]
    assert jobs.get(f"/jobs/{job}/graph").json()["stage"] == ("done" if ended else "work")
    assert "<h1" in jobs.get(f"/jobs/{job}", f="html").text
    assert jobs.get("/jobs", f="html").status_code == 200
    if ended:
        assert jobs.get(f"/jobs/{job}/results").json()["stringOutput"] == "a"
        assert jobs.get(f"/jobs/{job}/results/imagesOutput").content == file.read_bytes()
    else:
        assert jobs.client.post(f"/jobs/{job}/retry").status_code == 409
        assert jobs.client.delete(f"/jobs/{job}").json()["status"] == "dismissed"
        while jobs.status(job)[OWN]["stopping"]:
            time.sleep(0.05)
    assert jobs.client.delete(f"/jobs/{job}").status_code == 200
    assert jobs.get(f"/jobs/{job}").status_code == 404
    assert not file.exists()


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
