"""OGC API - Processes - Part 1: Core (18-062r2), as handlers."""

from providers.ogc.processes.descriptions import PARAMETERS as LIST_PARAMETERS
from providers.ogc.processes.descriptions import process, processes
from providers.ogc.processes.execution import estimate, execute
from providers.ogc.processes.graph import FORMATS as GRAPH_FORMATS
from providers.ogc.processes.graph import graph
from providers.ogc.processes.jobs import (
    LOG_PARAMETERS,
    TASK_PARAMETERS,
    cancel,
    dismiss,
    job,
    jobs,
    logs,
    resume,
    retry,
    tasks,
)
from providers.ogc.processes.jobs import PARAMETERS as JOBS_PARAMETERS
from providers.ogc.processes.results import output, results

__all__ = [
    "GRAPH_FORMATS",
    "JOBS_PARAMETERS",
    "LIST_PARAMETERS",
    "LOG_PARAMETERS",
    "TASK_PARAMETERS",
    "cancel",
    "dismiss",
    "estimate",
    "execute",
    "graph",
    "job",
    "jobs",
    "logs",
    "output",
    "process",
    "processes",
    "results",
    "resume",
    "retry",
    "tasks",
]
