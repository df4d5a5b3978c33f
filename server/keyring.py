"""Keys of the catalogue that a worker has seen lately, so that not every request asks the database."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from datetime import UTC, datetime, timedelta

import anyio.to_thread

from prismcube.catalogue import Catalogue
from prismcube.errors import CatalogueUnavailable
from prismcube.model.keys import ApiKey
from server.credentials import BadCredential, Key

LOG = logging.getLogger("prismcube.server")

FRESH_SECONDS = 5
"""How long a key is taken as it was last seen: a revoked one may be taken so much longer."""
MOST = 10_000
"""Keys that are kept in mind."""
USE_NOTED = timedelta(hours=1)
"""How old the time of the last use may get: noting each would be a write for each request."""


class Keyring:
    """The keys of one worker; used on its event loop only."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._seen: OrderedDict[str, tuple[float, ApiKey]] = OrderedDict()
        self._noting: set[asyncio.Task[None]] = set()

    async def open(self, shown: Key) -> ApiKey:
        """The key that was shown. Raises BadCredential, CatalogueUnavailable."""
        key = await self._find(shown.public)
        # One sentence for all: it does not tell which ids there are.
        if key is None or not key.opens(shown.secret, now=datetime.now(UTC)):
            raise BadCredential("the key is unknown, has expired or was revoked")
        self._note_use(key)
        return key

    async def _find(self, public: str) -> ApiKey | None:
        seen = self._seen.get(public)
        if seen is not None and time.monotonic() - seen[0] < FRESH_SECONDS:
            return seen[1]
        asked = time.monotonic()
        key = await anyio.to_thread.run_sync(self._catalogue.keys.find, public)
        self._seen.pop(public, None)
        if key is not None:  # unknown ids would fill the memory
            self._seen[public] = (asked, key)
            if len(self._seen) > MOST:
                self._seen.popitem(last=False)
        return key

    def _note_use(self, key: ApiKey) -> None:
        """Note the time, beside the request: a writer may wait for others."""
        now = datetime.now(UTC)
        if key.used is not None and now - key.used < USE_NOTED:
            return
        if any(task.get_name() == key.public for task in self._noting):
            return
        task = asyncio.create_task(self._remember(key.public), name=key.public)
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _remember(self, public: str) -> None:
        try:
            await anyio.to_thread.run_sync(self._catalogue.keys.remember_use, public)
        except CatalogueUnavailable as error:
            LOG.warning("the use of a key could not be noted: %s", error)
        else:
            self._seen.pop(public, None)
