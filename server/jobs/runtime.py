"""What a process that executes tasks has: the ledger, and the bodies of all processes with what they work with.

orchestrator ── engine ── child: runtime(settings) once ── body(tools, work, payload) for each attempt
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from config.settings import Settings
from prismcube.catalogue import Catalogue
from prismcube.jobs.attempt import Body
from prismcube.jobs.entities import NewJob
from prismcube.jobs.ledger import Ledger
from prismcube.model.work import Work
from prismcube.storage.buckets import wait_at_most
from prismcube.storage.uri import canonical_uri
from processes.process import Body as ProcessBody
from processes.process import Inputs
from processes.tools import Tools
from server import logs
from server.files import allow_files
from server.heap import bound_heap
from server.jobs.registry import PROCESSES, definitions

TASK_FILES = 65_536
"""Open at once in a process that executes tasks: a file of many dates is made of as many."""


def open_ledger(settings: Settings, catalogue: Catalogue) -> Ledger:
    """The ledger in the database of the catalogue."""
    return Ledger(catalogue.engine, definitions(settings.jobs.attempts))


def make_tools(settings: Settings, catalogue: Catalogue, ledger: Ledger) -> Tools:
    """What checks, estimates and bodies work with; bodies submit as the owner of their own job."""
    return Tools(
        catalogue=catalogue,
        submit=partial(_submit, ledger, None),
        memory=int(settings.jobs.memory),
        grace=settings.jobs.grace_seconds,
    )


def runtime(settings: Settings) -> tuple[Ledger, Mapping[str, Body]]:
    """The ledger and the bodies of tasks by kind; called once in a process, which it prepares."""
    from server.engines import (
        prepare_engine,  # brings kernels, of which who only leads jobs, or asks for them, needs none
    )

    logs.configure(settings.log)
    bound_heap()
    allow_files(TASK_FILES)
    prepare_engine(settings)
    wait_at_most(settings.engine.request_seconds)
    catalogue = Catalogue(settings.catalogue_url, managed=canonical_uri(settings.managed))
    ledger = open_ledger(settings, catalogue)
    tools = make_tools(settings, catalogue, ledger)
    bodies: dict[str, Body] = {}
    for process in PROCESSES.values():
        for kind, body in process.bodies.items():
            outputs = process.outputs if process.machine.ends_with(kind) else ()
            bodies[kind] = partial(_run, outputs, body, tools, ledger)
    return ledger, bodies


def _run(outputs: Collection[str], body: ProcessBody, tools: Tools, ledger: Ledger, work: Work) -> Mapping[str, Any]:
    """A task of a process; of what it returns, `outputs` are those of the job."""
    owned = replace(tools, submit=partial(_submit, ledger, work.job))
    result = body(owned, work, work.payload)
    return {**result, "outputs": {name: value for name, value in result.items() if name in outputs}}


def _submit(ledger: Ledger, parent: str | None, process: str, inputs: Inputs, *, key: str) -> str:
    owner = "" if parent is None else ledger.get(parent).owner
    return ledger.submit(NewJob(process=process, inputs=inputs, owner=owner, key=key))[0].id


def processes_of(settings: Settings) -> int:
    """How many processes execute tasks on this machine."""
    return settings.jobs.processes or os.cpu_count() or 1
