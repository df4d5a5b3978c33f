"""How much is measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Size:
    """Of each case."""

    name: str
    ledger_tasks: int
    """Of the ledger alone."""
    million_tasks: int
    """Of the job that is handed over, listed and cancelled."""
    submissions: int
    """Of the job that has nothing to do."""
    kill_tasks: int
    """Of the job whose processes are killed."""
    task_seconds: float
    """That each of those takes."""
    cancelled: int
    """Jobs that are cancelled, one after the other."""
    pixels: int
    """A side of the images that are consolidated."""
    dates: int
    block: int
    """A side of their blocks."""
    window: int
    """A side of the cube that is read before and after."""
    runs: int
    """Consolidations, each in a home folder of its own."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


SIZES = {
    "small": Size(
        name="small",
        ledger_tasks=10_000,
        million_tasks=100_000,
        submissions=5,
        kill_tasks=200,
        task_seconds=0.05,
        cancelled=2,
        pixels=512,
        dates=8,
        block=256,
        window=128,
        runs=1,
    ),
    "full": Size(
        name="full",
        ledger_tasks=100_000,
        million_tasks=1_000_000,
        submissions=30,
        kill_tasks=1_000,
        task_seconds=0.05,
        cancelled=10,
        pixels=2048,
        dates=40,
        block=512,
        window=512,
        runs=3,
    ),
}
