"""Results of jobs over HTTP: files, who may have them and when they go; and rows that somebody has edited."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing

import pytest

from tests.http.job_client import LONG, OWN


@pytest.fixture(scope="module")
def demo(executing):
    return executing


def write(demo, job, **columns):
    """Change the row of a job, or what it has answered."""
    values = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in columns.items()}
    with closing(sqlite3.connect(demo.home / "catalogue.sqlite", timeout=LONG)) as connection, connection:
        if results := values.pop("results", None):
            connection.execute("UPDATE job_document SET results = ? WHERE job_id = ?", (results, job))
        for name, value in values.items():
            connection.execute(f"UPDATE job SET {name} = ? WHERE id = ?", (value, job))


def test_a_job_whose_row_can_not_be_read_is_listed_with_all_others_and_goes(demo, jobs):
    """Whether it has ended, or waits and is stopped first."""
    ended, paused = jobs.submit({"stringInput": "a"}), jobs.submit({}, **{OWN: {"level": "all"}})
    jobs.wait(ended)
    write(demo, ended, level="odd", created="yesterday", results="no JSON")
    write(demo, paused, level="odd")
    other = jobs.submit({"stringInput": "b"})
    assert {ended, paused, other} <= set(jobs.ids(limit=1000))
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
    while jobs.get(f"/jobs/{paused}").status_code == 200:
        # 200 while it stops, too: to cancel it once more changes nothing. 409: it has to be waited for.
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


def test_files_are_found_where_our_folder_was(demo, jobs, with_file, tmp_path):
    """`catalogue.managed` is another one now."""
    job, file = with_file
    was = tmp_path / "results" / job / "cube.tif"
    was.parent.mkdir(parents=True)
    was.write_bytes(b"of before")
    write(demo, job, results={"imagesOutput": {"href": was.as_uri(), "type": "image/tiff"}})
    link = jobs.get(f"/jobs/{job}/results").json()["imagesOutput"]["href"]
    assert jobs.client.get(link).content == b"of before"
    assert jobs.client.delete(f"/jobs/{job}").status_code == 200
    assert not was.parent.exists()
    assert not file.parent.exists()


def test_files_of_others_are_not_handed_out(demo, jobs, with_file):
    """Whatever the row of a job says."""
    job, _ = with_file
    results = {"imagesOutput": {"href": (demo.home / "catalogue.sqlite").as_uri(), "type": "text/plain"}}
    write(demo, job, results=results)
    answer = jobs.get(f"/jobs/{job}/results/imagesOutput")
    assert answer.json() == results["imagesOutput"]  # the value, not the file


@pytest.mark.parametrize("href", ["file://other/x", "s3://", "http://["])
def test_a_link_that_is_no_uri_is_a_value(demo, jobs, with_file, href):
    job, _ = with_file
    write(demo, job, results={"complexObjectOutput": {"href": href}})
    assert jobs.get(f"/jobs/{job}/results").json()["complexObjectOutput"] == {"href": href}
    assert jobs.get(f"/jobs/{job}/results/complexObjectOutput").json() == {"href": href}


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


def test_an_export_tells_that_it_is_empty(jobs):
    inputs = {"collection": "s2-romania", "properties": ["B4"], "datetime": "2016", "width": 4, "mask": "SCL:0"}
    done = jobs.wait(jobs.submit(inputs, process="export-cube"))
    assert (done["status"], done["message"]) == (
        "successful",
        "The file is in the storage; the cube is empty: not one of its pixels is valid",
    )
    warnings = jobs.get(f"/jobs/{done['jobID']}/logs", level="warning").json()["logs"]
    assert [one["message"] for one in warnings] == ["the cube is empty: not one of its pixels is valid"]
    assert jobs.get(f"/jobs/{done['jobID']}/results").json().keys() == {"cube", "steps", "ends"}


def test_where_nothing_lies_there_is_no_job(jobs):
    before = jobs.ids(limit=1)
    for more, place in (({"bbox": [179, -10, -179, 10]}, "bbox"), ({"datetime": "1999"}, "datetime")):
        refused = jobs.post({"collection": "s2-romania", **more}, process="export-cube")
        assert (refused.status_code, refused.json()["parameter"]) == (400, place)
    assert jobs.ids(limit=1) == before
