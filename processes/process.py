"""What a process is: the one value that HTTP describes it by, and that the ledger runs it by.

    Process ─ inputs, outputs    JSON Schemas          -> its description (OGC 18-062r2, clause 7.9)
            ─ machine            stages                -> what a job goes through
            ─ bodies             one a kind of task    -> what the tasks of a stage do
            ─ check, estimate    before there is a job

A job's outputs are members of what the one task of its last stage has returned (`Machine.ends_with`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from prismcube.model.machine import Machine
from prismcube.model.work import Work
from processes.tools import Tools

Inputs = Mapping[str, Any]
"""Of a job, by name; JSON."""


class Body(Protocol):
    """What a task does. It may be run again at any time and must then find what was done before.

    Raises TemporaryFailure for what may well succeed later, other errors of ours for what won't without a person.
    """

    def __call__(self, tools: Tools, work: Work, payload: Mapping[str, Any], /) -> Mapping[str, Any]:
        """What later stages, or the job's outputs, are made of: small JSON.

        Of the last task, `message` is what people are told of the job, where its end has more to tell than it means.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Input:
    """A value that a job is given."""

    title: str
    description: str
    schema: Mapping[str, Any]
    """JSON Schema (2020-12); a default stands in it."""
    example: Any
    """One that the schema takes."""
    required: bool = False
    takes_links: bool = False
    """True: a link is a value as it is; else it stands for what lies there, which is fetched before there is a job."""
    most: int = 1
    """How many values may be given: more than one in an array, each of them as the schema says (`maxOccurs`)."""

    @property
    def whole_schema(self) -> Mapping[str, Any]:
        """Of one value or, where there may be more, of an array of them."""
        if self.most == 1:
            return self.schema
        return {"anyOf": [self.schema, {"type": "array", "minItems": 1, "maxItems": self.most, "items": self.schema}]}


@dataclass(frozen=True, kw_only=True)
class Output:
    """A value that a job gives."""

    title: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a job would cost, as far as that can be told without running it: None is not known."""

    tasks: int
    files: int | None
    """At most, that are written or removed; where none are, those that are opened."""
    read_bytes: int | None
    """Of what tasks tell in `read_bytes`, at most; 0 where no pixels are read."""
    written_bytes: int
    """Bytes before compression of the files that are written."""
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What else a person may want to know; JSON."""

    def to_json(self) -> dict[str, Any]:
        return {
            "tasks": self.tasks,
            "files": self.files,
            "readBytes": self.read_bytes,
            "writtenBytes": self.written_bytes,
            **self.details,
        }


def reads_nothing(inputs: Inputs) -> bool:
    """Of a process whose tasks read no pixels."""
    del inputs
    return False


def reads_always(inputs: Inputs) -> bool:
    """Of a process whose tasks are there to read pixels."""
    del inputs
    return True


def nothing_to_check(tools: Tools, inputs: Inputs) -> None:
    """The check of a process whose schemas tell all."""
    del tools, inputs


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process as a value."""

    id: str
    title: str
    description: str
    inputs: Mapping[str, Input]
    outputs: Mapping[str, Output]
    machine: Machine
    bodies: Mapping[str, Body]
    """By the kind of task; those of all stages of the machine."""
    estimate: Callable[[Tools, Inputs], Estimate]
    """Without running anything. Raises as `check` does."""
    check: Callable[[Tools, Inputs], None] = nothing_to_check
    """What schemas can't tell, before a job is stored. Raises InvalidInput naming the input, NotFound, Conflict."""
    reads: Callable[[Inputs], bool] = reads_nothing
    """Whether its tasks read pixels and tell how many bytes that were (`read_bytes`): else a limit of bytes would hold
    nothing, and is refused.
    """
    synchronous: bool = False
    """True: it may be waited for; else there are jobs only."""
    waits_if_small: bool = False
    """True: it is waited for only when what it reads and writes, by its estimate, is within the bytes of an answer."""
    changes_data: bool = True
    """False: it touches neither the catalogue nor files, so that whoever may submit anything may submit it."""
    version: str = "1.0.0"
    keywords: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        kinds = {stage.task for stage in self.machine.stages if stage.task}
        if kinds != self.bodies.keys():
            raise ValueError(f"{self.id} has bodies for {sorted(self.bodies)}, its machine asks for {sorted(kinds)}")
        for name, one in self.inputs.items():
            if one.required and "default" in one.schema:
                raise ValueError(f"{self.id}: {name} has a default, and is required all the same")

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of all inputs together."""
        return {
            "type": "object",
            "properties": {name: dict(one.whole_schema) for name, one in self.inputs.items()},
            "required": sorted(name for name, one in self.inputs.items() if one.required),
            "additionalProperties": False,
        }
