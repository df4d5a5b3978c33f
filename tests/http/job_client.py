"""A caller of a server's jobs."""

from __future__ import annotations

import time

import httpx

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
