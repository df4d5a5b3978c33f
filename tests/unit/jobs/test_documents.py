"""What a person can do with a job, as its links tell it."""

from __future__ import annotations

import pytest

from prismcube.jobs.documents import verbs
from prismcube.jobs.entities import Job
from prismcube.model.machine import Machine, Status, simple_machine
from prismcube.model.machines import CONSOLIDATE


@pytest.mark.parametrize(
    ("machine", "title"),
    [
        (CONSOLIDATE, "Stop it, and take back what it has begun"),
        (simple_machine("index.work", meaning="It works."), "Stop it; what it has done stays"),
    ],
)
def test_cancel_says_whether_anything_is_taken_back(machine: Machine, title: str) -> None:
    known = {"stage": machine.first.name, "status": Status.RUNNING, "paused": False, "stopping": ""}
    job = Job(**{**dict.fromkeys(Job.__dataclass_fields__), **known})
    assert ("cancel", "cancel", title) in verbs(job, machine)
