"""The catalogue as the rest of the program sees it: one repository an entity, and transactions over them."""

from __future__ import annotations

from collections.abc import Collection as Sized
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import Connection

from prismcube.catalogue.aois import AOIs
from prismcube.catalogue.collections import Collections
from prismcube.catalogue.containers import Containers
from prismcube.catalogue.datasets import Datasets
from prismcube.catalogue.documents import ConsolidationSettings, Layouts, Palettes, Styles
from prismcube.catalogue.engine import IDLE_SECONDS, BoundSession, PooledSession, Session, create_engine
from prismcube.catalogue.files import Files
from prismcube.catalogue.grids import Grids
from prismcube.catalogue.headers import Headers
from prismcube.catalogue.keys import Keys
from prismcube.catalogue.migrations import is_current
from prismcube.catalogue.outbox import Outbox
from prismcube.catalogue.places import Places
from prismcube.catalogue.records import Records
from prismcube.catalogue.tidy import KINDS, tidy
from prismcube.catalogue.variables import Instances, Variables


class Repositories:
    """One repository an entity, all on the same session; `files` stores several kinds at once."""

    def __init__(self, session: Session) -> None:
        self.palettes = Palettes(session)
        self.styles = Styles(session)
        self.grids = Grids(session)
        self.layouts = Layouts(session)
        self.consolidation = ConsolidationSettings(session)
        self.aois = AOIs(session)
        self.records = Records(session)
        self.places = Places(session)
        self.variables = Variables(session)
        self.instances = Instances(session)
        self.containers = Containers(session)
        self.datasets = Datasets(session)
        self.collections = Collections(session)
        self.files = Files(session)
        self.headers = Headers(session)
        self.keys = Keys(session)
        self._session = session
        self.outbox = Outbox(session)

    def tidy(self, kinds: Sized[str] = KINDS, *, simulate: bool = False) -> dict[str, int]:
        """Remove what nothing refers to; see `prismcube.catalogue.tidy`."""
        return tidy(self._session, kinds, simulate=simulate)


class UnitOfWork(Repositories):
    """Repositories within one transaction."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(BoundSession(connection))
        self.connection = connection

    def savepoint(self) -> AbstractContextManager[object]:
        """A part that fails alone: what was written in the block is undone when it raises."""
        return self.connection.begin_nested()


class Catalogue(Repositories):
    """The catalogue behind a URL; every call is a transaction of its own. Safe to share between threads, not forks.

    Opens nothing until it is used; `prismcube.catalogue.migrate` creates the file and its tables.
    """

    def __init__(self, url: str, *, managed: str | None = None, idle_seconds: float = IDLE_SECONDS) -> None:
        """`managed` is the URI of the folder below which files may be ours to delete; None: nowhere.

        `idle_seconds`: see `create_engine`.

        Raises ConfigurationError for a URL that can't hold a catalogue.
        """
        self.engine = create_engine(url, idle_seconds=idle_seconds)
        self.managed = managed
        super().__init__(PooledSession(self.engine))

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()

    def ready(self) -> bool:
        """True when the catalogue can be reached and has this version's schema."""
        return is_current(self.engine)

    @contextmanager
    def snapshot(self) -> Iterator[Repositories]:
        """Several reads of one state of the catalogue, on one connection."""
        with self._session.read() as connection:
            yield Repositories(BoundSession(connection))

    @contextmanager
    def transaction(self) -> Iterator[UnitOfWork]:
        """Several calls as one: all of them are seen by others at the end of the block, or none when it raises.

        Other writers wait meanwhile, so read files and the network before.
        """
        with self._session.write() as connection:
            yield UnitOfWork(connection)
