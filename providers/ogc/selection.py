"""From parsed parameters to a plan: the path that coverages, series and pictures share.

select(...)  search datasets → records → groups → CubeRequest → CubePlan → budget
search(...)  as far as CubeRequest: for those who make several plans of it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prismcube.cube.budget import check_budget
from prismcube.cube.engine import execute
from prismcube.cube.plan import CubePlan
from prismcube.cube.planner import Headers, make_plan
from prismcube.cube.request import CubeRequest
from prismcube.cube.sources import find_sources
from prismcube.cube.states import FileStates
from prismcube.errors import InvalidInput, NotFound, NothingRead
from prismcube.model.collection import Collection
from prismcube.model.cube import Slice, SliceStatus
from prismcube.model.entities import Dataset
from prismcube.model.grid import Grid
from prismcube.model.period import Period
from providers.ogc.answer import Context, Means


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What a request selects from a collection."""

    fields: tuple[str, ...]
    grid: Grid
    period: Period | None = None
    mask: str | None = None
    group: str | None = None
    mosaic: str | None = None
    resampling: str | None = None


def default_fields(collection: Collection) -> tuple[str, ...]:
    """The fields of a coverage unless a request says otherwise: all stored ones, or all when none is."""
    return tuple(one.name for one in collection.stored_fields or collection.fields)


def check_fields(
    collection: Collection, names: Sequence[str] | None, *, parameter: str, default: Sequence[str]
) -> tuple[str, ...]:
    """The names asked for, or the default. Raises InvalidInput(parameter, ...) for one the collection lacks."""
    for name in names or ():
        try:
            collection.field(name)
        except NotFound:
            known = ", ".join(one.name for one in collection.fields)
            raise InvalidInput(parameter, f"{collection.name} has no field {name[:60]!r}; it has {known}") from None
    return tuple(names or default)


def select(context: Context, collection: Collection, wanted: Selection, *, budget: bool = True) -> CubePlan:
    """The plan of a selection; without slices when nothing lies there.

    Raises InvalidInput for what doesn't fit the collection and, with `budget`, BudgetExceeded before anything is read.
    """
    request, datasets, headers = search(context, collection, wanted)
    plan = make_plan(request, datasets, headers=headers)
    if budget:
        check_plan(context, plan)
    return plan


def check_plan(means: Means, plan: CubePlan, *, working: int | None = None) -> None:
    """Refuse a plan that costs more than one request may; `working` as in `check_budget`. Raises BudgetExceeded."""
    limits = means.limits
    check_budget(
        plan,
        output_bytes=limits.answer_bytes,
        read_bytes=limits.read_bytes,
        working_bytes=limits.working_bytes,
        pixels=limits.pixels,
        slices=limits.slices,
        working=working,
    )


def search(context: Context, collection: Collection, wanted: Selection) -> tuple[CubeRequest, list[Dataset], Headers]:
    """What a selection asks of the engine, the datasets that may have it, and the headers of their files.

    Without groups when nothing lies there.

    Raises InvalidInput for what doesn't fit the collection.
    """
    return find_sources(
        context.catalogue,
        collection,
        fields=wanted.fields,
        grid=wanted.grid,
        period=wanted.period,
        group=wanted.group,
        mosaic=wanted.mosaic,
        resampling=wanted.resampling,
        mask=wanted.mask,
    )


class Watched:
    """The slices of a plan, passed on while it is kept how each ended.

    Waits until the worker has the memory; raises Cancelled when the client has gone.
    """

    def __init__(self, means: Means, plan: CubePlan, *, states: FileStates | None = None) -> None:
        """`states`: of the answer's files, where the plan is not all of it."""
        self._means = means
        self._plan = plan
        self._states = states
        self.ends: list[tuple[SliceStatus, str]] = []
        """(status, message) of each slice that has passed."""

    def __iter__(self) -> Iterator[Slice]:
        stop = self._means.stop
        with self._means.memory.hold(self._plan.working_bytes, stop=stop):
            for one in execute(self._plan, stop=stop, observer=self._means.observer, states=self._states):
                self.ends.append((one.status, one.message))
                yield one

    def check(self) -> None:
        """Once all have passed: an answer without a single readable step is an error, not an empty picture.

        Raises SourceError.
        """
        check_read(self.ends)


def check_read(ends: Sequence[tuple[SliceStatus, str]], *, steps: int | None = None) -> None:
    """An answer without a single readable step is an error, not an empty picture. Raises NothingRead.

    `ends`: (status, message) of the slices, or of parts of `steps` ones.
    """
    if ends and all(status is SliceStatus.FAILED for status, _ in ends):
        raise NothingRead(ends[0][1], steps=len(ends) if steps is None else steps)


def all_slices(means: Means, plan: CubePlan) -> list[Slice]:
    """The slices of a plan, all in memory. Raises SourceError when every one of them failed."""
    watched = Watched(means, plan)
    slices = list(watched)
    watched.check()
    return slices
