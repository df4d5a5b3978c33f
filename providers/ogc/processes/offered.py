"""What processes there are, what of them the caller may use, and whose jobs he sees.

/processes, /processes/{p}     whoever may read
to submit                      the scope `write`; for what changes data, over collections that no rule keeps from him
a job                          its owner, and the scope `admin`; to others it does not exist
"""

from __future__ import annotations

from prismcube.errors import NotFound
from prismcube.jobs.entities import Job, WholeJob
from prismcube.model.access import Access
from providers.errors import refused
from providers.ogc.answer import Context
from providers.ogc.offer import Process, Processes


def processes_of(context: Context) -> Processes:
    """Raises NotFound where nothing can be run."""
    if context.processes is None:
        raise NotFound("resource", "processes")
    return context.processes


def job_of(context: Context, id: str) -> Job:
    """A job that the caller may know of. Raises NotFound."""
    job = processes_of(context).ledger.get(id)
    if not sees(context.access, job):
        raise NotFound("job", id)
    return job


def whole_job_of(context: Context, id: str) -> WholeJob:
    """As `job_of`, with what it was asked and has answered. Raises NotFound."""
    return processes_of(context).ledger.whole(job_of(context, id).id)


def sees(access: Access, job: Job) -> bool:
    """True for administrators and owners; nobody owns what nobody who is known has submitted."""
    return access.is_admin or (bool(access.name) and job.owner == access.name)


def check_may_submit(access: Access, process: Process) -> None:
    """Raises Forbidden, Unauthorized."""
    if not access.may_change:
        raise refused(access, "to run a process needs the scope write")
    if process.changes_data and not access.writes_everything:
        raise refused(access, f"{process.id} works on data of any collection, and some are not yours to change")


def check_may_steer(access: Access) -> None:
    """Raises Forbidden, Unauthorized."""
    if not access.may_change:
        raise refused(access, "to steer a job needs the scope write")
