"""Settings of the workers that come and go with what there is to do."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from config.section import PositiveInt, Section


class PoolKind(StrEnum):
    """Where workers of dask come from."""

    NONE = "none"  # somebody else starts them
    LOCAL = "local"  # processes of the orchestrator's machine
    KUBERNETES = "kubernetes"  # a `DaskCluster` of dask's operator


class PoolRatio(Section):
    """How many tasks of a kind keep one worker busy."""

    kind: str = Field(min_length=1, description="Kind of tasks, as the list of a job's tasks shows them.")
    ratio: Annotated[float, Field(gt=0)] = Field(description="So many of these tasks for each worker.")


class Pool(Section):
    """Workers of dask, as many as there are tasks for."""

    kind: PoolKind = Field(
        PoolKind.NONE,
        description="Who starts workers of dask. `none`: somebody else. `local`: `prismcube worker`, as processes of "
        "its machine. `kubernetes`: dask's operator, whose cluster `prismcube.jobs.pool.cluster` is scaled.",
    )
    least: Annotated[int, Field(ge=0)] = Field(0, description="Workers that stay when there is nothing to do.")
    most: PositiveInt = Field(10, description="Workers at most.")
    ratio: Annotated[float, Field(gt=0)] = Field(
        1.2, description="Tasks that have not ended for each worker: 2 and more for tasks that mostly wait."
    )
    ratios: tuple[PoolRatio, ...] = Field((), description="Kinds of tasks with a ratio of their own.")
    step: PositiveInt | None = Field(
        None, description="Workers that come or go at once, at most. Null: a tenth of `most`."
    )
    every_seconds: PositiveInt = Field(30, description="Seconds between two changes.")
    threads: PositiveInt = Field(1, description="Tasks that a local worker executes at once.")
    resources: str | None = Field(
        None, min_length=1, description="What local workers have of each resource, such as `process=1`."
    )
    cluster: str | None = Field(None, min_length=1, description="Name of the `DaskCluster` in Kubernetes.")
    namespace: str | None = Field(
        None, min_length=1, description="Its namespace. Null: the one that the orchestrator runs in."
    )
