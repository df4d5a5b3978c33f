"""Jobs over HTTP: lists and their filters, tasks and logs, steering, requests that are refused, idempotency keys."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from tests.http.job_client import LONG, OWN


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
