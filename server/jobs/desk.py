"""What the HTTP handlers ask of processes and their jobs (`providers.ogc.offer`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from config.settings import Settings
from prismcube.catalogue import Catalogue
from prismcube.errors import InvalidInput, NotFound
from prismcube.jobs.addresses import Addresses
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.references import References
from prismcube.jobs.results import ResultFiles

if TYPE_CHECKING:
    from processes.process import Process
    from processes.tools import Tools


class Desk:
    """Of one worker; nothing is executed here.

    Processes bring encoders and writers with them, which take a second and 100 MB to load: they are loaded when the
    first request asks for a process or a job.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self.files = ResultFiles.below(settings.managed)
        self.wait_seconds = float(settings.jobs.wait_seconds)
        self.memory = int(settings.jobs.memory)
        self._settings = settings
        self._catalogue = catalogue
        self._addresses = Addresses(settings.jobs.callbacks)
        self._references = References(self._addresses)

    @cached_property
    def ledger(self) -> Ledger:
        from server.jobs.runtime import open_ledger

        return open_ledger(self._settings, self._catalogue)

    @cached_property
    def _tools(self) -> Tools:
        from server.jobs.runtime import make_tools

        return make_tools(self._settings, self._catalogue, self.ledger)

    def offered(self) -> Sequence[Process]:
        from server.jobs.registry import PROCESSES

        return [PROCESSES[id] for id in sorted(PROCESSES)]

    def get(self, id: str) -> Process:
        from server.jobs.registry import process_of

        return process_of(id)

    def checked(self, id: str, inputs: object) -> Mapping[str, Any]:
        from processes.validation import checked_inputs

        return checked_inputs(self.get(id), inputs, follow=self._references.following())

    def check_limit(self, id: str, inputs: Mapping[str, Any], most_bytes: int | None) -> None:
        from processes.validation import check_limit

        check_limit(self.get(id), inputs, most_bytes)

    def check(self, id: str, inputs: Mapping[str, Any]) -> None:
        with _naming_inputs(self.get(id)):
            self.get(id).check(self._tools, inputs)

    def estimate(self, id: str, inputs: Mapping[str, Any], *, stop: Callable[[], None]) -> Mapping[str, Any]:
        with _naming_inputs(self.get(id)):
            return self.get(id).estimate(replace(self._tools, stop=stop), inputs).to_json()

    def is_small(self, id: str, inputs: Mapping[str, Any]) -> bool:
        one = self.get(id)
        if not one.waits_if_small:
            return True
        with _naming_inputs(one):
            found = one.estimate(self._tools, inputs)
        if found.read_bytes is None or found.written_bytes is None:
            return False
        return found.read_bytes + found.written_bytes <= self._settings.limits.answer_bytes

    def why_not_called(self, url: str) -> str:
        return self._addresses.why_not(url)


@contextmanager
def _naming_inputs(process: Process) -> Iterator[None]:
    """An entity that is not there is a mistake in the inputs: the address of the request is right."""
    try:
        yield
    except NotFound as error:
        # An instance is named together with its variable.
        kinds = (error.entity, "instance") if error.entity == "variable" else (error.entity,)
        names = [name for kind in kinds for name in process.inputs if name.startswith(kind)]
        raise InvalidInput(names[0] if names else "inputs", str(error)) from error
