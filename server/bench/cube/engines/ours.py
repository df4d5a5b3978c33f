"""Prismcube: search, plan, execute, as a request does it."""

from __future__ import annotations

from typing import Any

import numpy as np

from config.settings import Settings
from prismcube.cube.engine import engine, execute
from prismcube.errors import SourceError
from prismcube.model.cube import SliceStatus
from prismcube.model.period import Period
from providers.ogc.selection import Selection, select
from server.asgi import make_context
from server.bench.cube.cases import Part
from server.bench.cube.engines import Cube, Engine, Setup
from server.bench.home import settings_of
from server.heap import bound_heap
from server.metrics import Metrics


def make(setup: Setup) -> Engine:
    bound_heap()  # as every worker of a server does
    return Ours(settings_of(setup.home))


class Ours:
    """The engine behind the catalogue of a home folder."""

    def __init__(self, settings: Settings) -> None:
        self._context = make_context(settings, Metrics())

    def run(self, part: Part) -> list[tuple[Any, ...]]:
        collection = self._context.catalogue.collections.get(part.collection)
        period = Period(part.files[0].time, part.files[-1].time)
        wanted = Selection(fields=part.bands, grid=part.grid, period=period, resampling=part.resampling)
        made = []
        for one in execute(select(self._context, collection, wanted, budget=False)):
            if one.status in (SliceStatus.FAILED, SliceStatus.PARTIAL):
                raise SourceError(f"step {one.index}", one.message)
            made.append(one.data)
        return made

    def cube(self, part: Part, made: list[tuple[Any, ...]]) -> Cube:
        return np.stack([np.stack(one) for one in made])

    def forget(self) -> None:
        """Decoded blocks would make every run but the first look quick."""
        engine().windows.cache.clear()
