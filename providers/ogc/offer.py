"""What handlers need of processes and their jobs; `server` gives it, as processes are no business of providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from prismcube.jobs.ledger import Ledger
from prismcube.jobs.results import ResultFiles


class Output(Protocol):
    """A value that a job gives."""

    @property
    def title(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def schema(self) -> Mapping[str, Any]: ...


class Input(Output, Protocol):
    """A value that a job is given."""

    @property
    def example(self) -> Any: ...
    @property
    def required(self) -> bool: ...
    @property
    def most(self) -> int: ...


class Process(Protocol):
    """What can be run."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def keywords(self) -> Sequence[str]: ...
    @property
    def inputs(self) -> Mapping[str, Input]: ...
    @property
    def outputs(self) -> Mapping[str, Output]: ...
    @property
    def synchronous(self) -> bool: ...
    @property
    def changes_data(self) -> bool: ...


class Processes(Protocol):
    """The processes of a server, and their jobs."""

    @property
    def ledger(self) -> Ledger: ...
    @property
    def files(self) -> ResultFiles: ...
    @property
    def memory(self) -> int:
        """Bytes that a task may use for pixels."""
        ...

    @property
    def wait_seconds(self) -> float:
        """How long a request may wait for a job."""
        ...

    def offered(self) -> Sequence[Process]:
        """All of them, by id."""
        ...

    def get(self, id: str) -> Process:
        """Raises NotFound."""
        ...

    def checked(self, id: str, inputs: object) -> Mapping[str, Any]:
        """Inputs as the schemas want them, with defaults. Raises InvalidInput naming the input."""
        ...

    def check_limit(self, id: str, inputs: Mapping[str, Any], most_bytes: int | None) -> None:
        """Refuse a limit of bytes that would never hold. Raises InvalidInput."""
        ...

    def check(self, id: str, inputs: Mapping[str, Any]) -> None:
        """What schemas can't tell. Raises InvalidInput, also for names that there are not, and Conflict."""
        ...

    def estimate(self, id: str, inputs: Mapping[str, Any], *, stop: Callable[[], None]) -> Mapping[str, Any]:
        """What a job would cost, as JSON; `stop` is called now and then. Raises as `check`, and what `stop` raises."""
        ...

    def is_small(self, id: str, inputs: Mapping[str, Any]) -> bool:
        """A request may wait for such a job: it is within the bytes of an answer. Raises as `check`."""
        ...

    def why_not_called(self, url: str) -> str:
        """Why a job may not call this address back; empty when it may."""
        ...
