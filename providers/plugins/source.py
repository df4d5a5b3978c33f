"""A collection of a catalogue, as a provider definition names it, and the way to the handlers.

pygeoapi makes a new provider on each request; what is dear is kept once a process: the catalogue's connections, and
the memory that all requests share.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
from pygeoapi.crs import DEFAULT_CRS, DEFAULT_CRS_LIST
from pygeoapi.provider.base import ProviderNoDataError

from prismcube.catalogue.catalogue import Catalogue
from prismcube.cube.gate import MemoryGate, Stop
from prismcube.errors import ConfigurationError, NotFound, PrismcubeError, TimeExceeded
from prismcube.model.access import EVERYONE, Access, Scope
from prismcube.model.collection import Collection
from providers.ogc.answer import Answer, Context, Request
from providers.plugins.errors import NoSuchCollection, as_pygeoapi, translated
from providers.plugins.options import Options

Pairs = Iterable[tuple[str, str | None]]
"""Parameters of a request; those that are None are absent."""

_READERS = Access(subjects=frozenset({EVERYONE}), scopes=frozenset({Scope.READ}))
"""What the configuration publishes everybody may read; plans, which name files, nobody may."""

_FILENAME = re.compile(r'filename="([^"/]+)"')

_lock = threading.Lock()
_catalogues: dict[tuple[int, str], Catalogue] = {}
_gates: dict[tuple[int, int], MemoryGate] = {}


class Source:
    """The collection behind one provider. Opens nothing until it is asked.

    Raises pygeoapi's ProviderConnectionError for options that make no sense.
    """

    def __init__(self, definition: Mapping[str, Any], *, others: Sequence[str] = ()) -> None:
        self.name = str(definition["data"])
        with translated():
            self._options = Options.of(definition.get("options"), others=others)

    def context(self) -> Context:
        """What the handlers need."""
        options = self._options
        with translated():
            return Context(
                catalogue=_catalogue(options.url),
                limits=options.limits,
                temporary=options.temporary,
                memory=_gate(options.limits.working_bytes),
                stop=_deadline(options.seconds),
                access=_READERS,
            )

    def collection(self) -> Collection:
        """The collection as it is now. Raises a ProviderConnectionError: pygeoapi then leaves it out of its list."""
        context = self.context()
        try:
            return context.collection(self.name)
        except NotFound as error:
            raise NoSuchCollection(str(error), user_msg=str(error)) from error
        except PrismcubeError as error:
            raise as_pygeoapi(error) from error

    def answer(self, handler: Callable[..., Any], known: Sequence[str], pairs: Pairs, **path: str) -> Answer:
        """What a handler answers; `known` are the parameters it takes. Raises pygeoapi's errors, also for no data."""
        with translated():
            result = handler(self.context(), Request(self._query(known, pairs)), self.name, **path)
            answer = result if isinstance(result, Answer) else Answer(orjson.dumps(result))
            if not isinstance(answer.body, bytes):
                # pygeoapi sends whole bodies only.
                answer = Answer(b"".join(answer.body.chunks()), answer.media_type, answer.status, answer.headers)
        if answer.status == 204:
            raise ProviderNoDataError
        return answer

    def document(self, handler: Callable[..., Any], known: Sequence[str], pairs: Pairs, **path: str) -> dict[str, Any]:
        """A JSON answer, decoded: pygeoapi encodes it again. Raises as `answer` does."""
        body = self.answer(handler, known, pairs, **path).body
        document: dict[str, Any] = orjson.loads(body) if isinstance(body, bytes) else {}
        return document

    def _query(self, known: Sequence[str], pairs: Pairs) -> list[tuple[str, str]]:
        given = [(name, value) for name, value in pairs if value is not None]
        names = {name for name, _ in given}
        fixed = self._options.parameters.items()
        return given + [(name, value) for name, value in fixed if name in known and name not in names]


def body_of(answer: Answer) -> bytes:
    """The bytes of an answer of `Source.answer`, which has no other kind."""
    return answer.body if isinstance(answer.body, bytes) else b""


def filename_of(answer: Answer) -> str | None:
    """The name under which a client should store the answer."""
    found = _FILENAME.search(answer.headers.get("Content-Disposition", ""))
    return found[1] if found else None


def numbers(values: Sequence[float] | None) -> str | None:
    """Numbers that pygeoapi has parsed, as text again; None for none."""
    return ",".join(repr(value) for value in values) if values else None


def subset_text(subsets: Mapping[str, Sequence[Any]]) -> str:
    """`axis(low:high)` of what pygeoapi has parsed."""
    return ",".join(f"{axis}({':'.join(map(str, limits))})" for axis, limits in subsets.items())


def crs_of(spec: Any) -> str | None:
    """The CRS that a request names, from what pygeoapi makes of it; None for longitude and latitude."""
    return str(spec.target_crs_uri) if spec else None


def refuse_storage_crs(definition: Mapping[str, Any]) -> None:
    """pygeoapi tells `crs` only where it differs from `storage_crs`: any but the default would be taken for CRS84.

    Raises pygeoapi's ProviderConnectionError.
    """
    with translated():
        if definition.get("storage_crs", DEFAULT_CRS) not in DEFAULT_CRS_LIST:
            raise ConfigurationError("provider", [("storage_crs", "must be left out here")])


def _catalogue(url: str) -> Catalogue:
    # By process: connections and locks must not be used on both sides of a fork.
    with _lock:
        key = (os.getpid(), url)
        if key not in _catalogues:
            _catalogues[key] = Catalogue(url)
        return _catalogues[key]


def _gate(total: int) -> MemoryGate:
    with _lock:
        return _gates.setdefault((os.getpid(), total), MemoryGate(total))


def _deadline(seconds: int) -> Stop:
    """Raises TimeExceeded once so much time has passed; pygeoapi doesn't tell when a client goes."""
    end = time.monotonic() + seconds

    def stop() -> None:
        if time.monotonic() > end:
            raise TimeExceeded(seconds)

    return stop
