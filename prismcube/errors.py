"""Every error Prismcube raises on purpose, as one tree.

    PrismcubeError
    ├── InvalidInput            the caller's value is wrong; names the parameter
    │   ├── UnknownParameter    the parameter itself is not known
    │   └── OutsideExtent       the area or time asked for does not touch the data
    ├── NotFound                no such entity
    ├── Conflict                the entity exists already, and differs
    ├── BudgetExceeded          the answer would be larger than this server allows
    ├── SourceError             a file of the archive can't be used; names the file
    │   └── NothingRead         not one time step of an answer could be read
    ├── StorageFull             there is no room to write the answer
    ├── Cancelled               nobody wants the answer any more
    ├── Overloaded              there is no room for more at the moment
    ├── TemporaryFailure        what failed now may well succeed later
    │   └── NotYet              it is too early for a task; it has done nothing, and fails by nothing
    ├── TimeExceeded            the answer takes longer than this server allows
    ├── CatalogueUnavailable    the catalogue's database does not answer
    ├── UnreadableRow           a row of its tables holds what nobody can read
    └── ConfigurationError      settings or mapping files are wrong; lists every mistake

Errors carry facts as attributes; `server/problems.py` alone turns them into HTTP answers.
"""

from __future__ import annotations

from collections.abc import Sequence


class PrismcubeError(Exception):
    """The base of all errors Prismcube raises on purpose."""


class InvalidInput(PrismcubeError):
    """A value from the caller that can't be used."""

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.parameter = parameter
        self.reason = reason


class UnknownParameter(InvalidInput):
    """A parameter that the operation does not have; `known` lists those it has."""

    def __init__(self, parameter: str, *, known: Sequence[str]) -> None:
        super().__init__(parameter, f"unknown parameter; this operation knows {', '.join(sorted(known))}")
        self.known = tuple(sorted(known))


class OutsideExtent(InvalidInput):
    """An area or time that touches no data of the collection."""


class NotFound(PrismcubeError):
    """No entity of this kind has this key."""

    def __init__(self, entity: str, key: object) -> None:
        super().__init__(f"no {entity} {key!r}")
        self.entity = entity
        self.key = key


class Conflict(PrismcubeError):
    """The entity exists already and differs from what was given."""

    def __init__(self, entity: str, key: object, reason: str) -> None:
        super().__init__(f"{entity} {key!r}: {reason}")
        self.entity = entity
        self.key = key
        self.reason = reason


LARGEST = 2**53 - 1
"""The largest integer that every JSON reader takes (RFC 8259, 6); costs beyond are told as this."""


class BudgetExceeded(PrismcubeError):
    """The answer would need more than the server allows; nothing was read or allocated."""

    def __init__(self, what: str, *, asked: int, allowed: int, advice: str) -> None:
        super().__init__(f"{what}: asked for {asked:,}, at most {allowed:,} allowed; {advice}")
        self.what = what
        self.asked = min(asked, LARGEST)
        self.allowed = allowed
        self.advice = advice
        self.process = ""
        """Id of a process that can do it as a job; empty: none is known."""
        self.href = ""
        """Address of its description."""

    def also_by(self, process: str, href: str) -> BudgetExceeded:
        """The same, with the process that can do it as a job."""
        self.process, self.href = process, href
        self.args = (f"{self}; or let the process {process} make it as a job: {href}",)
        return self


class SourceError(PrismcubeError):
    """A file of the archive that can't be used, and why."""

    cause = ""
    """Of the reason, what a stranger may know, in a few words of ours; subclasses have theirs."""

    def __init__(self, uri: str, reason: str, *, cause: str = "") -> None:
        super().__init__(f"{uri}: {reason}")
        self.uri = uri
        self.reason = reason
        self.cause = cause or self.cause

    @property
    def public(self) -> str:
        """What a stranger may know: the file's name and the cause, not where it lies (which the reason may tell)."""
        name = self.uri.partition("?")[0].rpartition("/")[2]  # of a signed URL no signature
        return f"{name} could not be read" + (f": {self.cause}" if self.cause else "")


class NothingRead(SourceError):
    """Not one time step of an answer could be read."""

    def __init__(self, message: str, *, steps: int) -> None:
        """`message` is the first step's, as strangers may read it; `steps`: how many there were."""
        super().__init__("every time step", message)
        self.message = message
        self.steps = steps

    @property
    def public(self) -> str:
        if self.steps == 1:
            return f"the time step could not be read: {self.message}"
        return f"not one of {self.steps:,} time steps could be read; of the first: {self.message}"


class StorageFull(PrismcubeError):
    """There is no room to write an answer before it is sent."""


class Cancelled(PrismcubeError):
    """The client has gone; the work stops where it is."""


class Overloaded(PrismcubeError):
    """The server has as much under way as it can hold; later there may be room."""


class TemporaryFailure(PrismcubeError):
    """What failed may well succeed when it is tried again later."""


class NotYet(TemporaryFailure):
    """It is too early for a task: it is looked at again soon, which costs no attempt."""


class TimeExceeded(PrismcubeError):
    """The work took longer than the server allows; it was stopped."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the answer would take longer than {seconds:g} s; ask for a smaller area or fewer dates")
        self.seconds = seconds


class CatalogueUnavailable(PrismcubeError):
    """The catalogue's database does not answer: gone, locked for too long, not migrated, its disk full."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the catalogue does not answer: {reason}")
        self.reason = reason


class UnreadableRow(PrismcubeError):
    """A row of the database holds what nobody can read: it was edited by hand, or is damaged."""

    def __init__(self, table: str, key: object, reason: str) -> None:
        row = f"a row of the table {table}" if key == "" else f"the row {key!r} of the table {table}"
        super().__init__(f"{row} can't be read: {reason}; correct it in the database, or remove what it belongs to")
        self.table = table
        self.key = key
        self.reason = reason


class ConfigurationError(PrismcubeError):
    """Settings or a mapping file with mistakes; `mistakes` maps each dotted name to its reason."""

    def __init__(self, source: str, mistakes: Sequence[tuple[str, str]]) -> None:
        lines = "\n".join(f"  {name}: {reason}" for name, reason in mistakes)
        super().__init__(f"{source}: {len(mistakes)} mistake(s)\n{lines}")
        self.source = source
        self.mistakes = tuple(mistakes)
