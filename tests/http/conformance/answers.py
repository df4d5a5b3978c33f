"""What answers of processes are held against."""

from __future__ import annotations

EXCEPTION = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
REL = "http://www.opengis.net/def/rel/ogc/1.0/"
LONG = 120
"""Seconds after which a test that waits has failed: a bound for hanging, not a measure."""
REFERENCE = {"transmissionMode": "reference"}


def is_async(answer):
    """/conf/core/job-creation-success-async: 201, its location, and the status of the new job."""
    assert answer.status_code == 201, answer.text
    status = answer.json()
    assert answer.headers["location"].endswith(f"/jobs/{status['jobID']}")
    assert status["status"] in ("accepted", "running")
    assert (status["type"], status["processID"]) == ("process", "echo")
    return status


def problem(answer, status, kind=""):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["type"] == (f"{EXCEPTION}{kind}" if kind else "about:blank")
    assert found["title"]
    return found
