"""What tests of processes share: the process echo of a server that executes jobs."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.http.conformance.answers import LONG


@pytest.fixture(scope="session")
def description(executing):
    return executing.json("/processes/echo")


@pytest.fixture(scope="session")
def examples(description):
    """Each input's example."""
    return {
        name: [one["schema"]["example"]] if one["maxOccurs"] > 1 else one["schema"]["example"]
        for name, one in description["inputs"].items()
    }


@pytest.fixture(scope="session")
def execute(executing):
    """POST to the execution of echo: `execute({"stringInput": "a"}, response="document")`; `_` in headers is `-`."""

    def post(inputs=None, *, headers=None, process="echo", **more):
        body = {**({} if inputs is None else {"inputs": inputs}), **more}
        url = f"{executing.url}/processes/{process}/execution"
        return httpx.post(url, json=body, headers=headers, timeout=LONG)

    return post


@pytest.fixture(scope="session")
def ended(executing):
    """Waits for the end of the job of an answer: its status."""

    def wait(answer, *statuses):
        deadline = time.monotonic() + LONG
        while True:
            found = httpx.get(answer.headers["location"], timeout=LONG).json()
            if found["status"] in (statuses or ("successful", "failed", "dismissed")):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    return wait
