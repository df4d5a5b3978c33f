"""The processes of this server, by their ids: one line each."""

from __future__ import annotations

from collections.abc import Mapping

from prismcube.errors import NotFound
from prismcube.jobs.definitions import Definition, Definitions
from processes import consolidate, delete_datasets, echo, export_cube, loading, tidy, update_mapping
from processes.process import Process

PROCESSES: Mapping[str, Process] = {
    one.id: one
    for one in (
        consolidate.PROCESS,
        delete_datasets.PROCESS,
        echo.PROCESS,
        export_cube.PROCESS,
        loading.INDEX,
        loading.REGISTER,
        tidy.PROCESS,
        update_mapping.PROCESS,
    )
}


def definitions(attempts: int) -> Definitions:
    """What the ledger knows of them; a task is tried so often."""
    return {id: Definition(machine=one.machine, attempts=attempts) for id, one in PROCESSES.items()}


def process_of(id: str) -> Process:
    """Raises NotFound."""
    if id not in PROCESSES:
        raise NotFound("process", id)
    return PROCESSES[id]
