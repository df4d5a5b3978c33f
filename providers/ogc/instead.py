"""What is too large for one answer, and may be made by a job instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prismcube.cube.plan import CubePlan
from prismcube.errors import BudgetExceeded
from providers.ogc.answer import Context, Request

EXPORT = "export-cube"


@contextmanager
def naming_job(context: Context, request: Request, plan: CubePlan) -> Iterator[None]:
    """A cube that is refused within is refused with the process that can make it, where one can.

    A job takes as many time steps as there are, each in rows; but a row of blocks must fit into the memory of a task.
    """
    try:
        yield
    except BudgetExceeded as error:
        from prismcube.consolidation.export import is_exportable  # seldom needed

        if context.processes is None or not is_exportable(plan, memory=context.processes.memory):
            raise
        raise error.also_by(EXPORT, f"{request.base}/processes/{EXPORT}") from None
