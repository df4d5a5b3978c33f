"""The pixel engine of a worker, or of a process that executes tasks, as the settings have it."""

from __future__ import annotations

import os
from pathlib import Path

from config.settings import Settings
from config.tree import EngineKind
from prismcube.cube.engine import EngineSettings, configure
from prismcube.storage.pool import Limits
from server.kernels import Kernels, load_if_complete, place_of
from server.metrics import FOLDER


def make_kernels(settings: Settings) -> Kernels:
    """The kernels of a worker, kept in the home folder; where that has no room, in memory beside the figures."""
    memory = os.environ.get(FOLDER)
    places = [place_of(settings), *([Path(memory) / "kernels"] if memory else [])]
    return Kernels(places, wanted=settings.engine.kind is EngineKind.AUTO)


def engine_settings(settings: Settings) -> EngineSettings:
    """What the engine of a worker may use."""
    engine = settings.engine
    return EngineSettings(
        kind=engine.kind.value,
        threads=engine.threads or os.cpu_count() or 1,
        cache_bytes=int(engine.cache_bytes),
        remote=Limits(
            requests=engine.requests, requests_per_host=engine.requests_per_host, size=int(engine.request_bytes)
        ),
        is_warm=Kernels.are_there,
    )


def prepare_engine(settings: Settings) -> None:
    """Have the engine and its kernels in a process that executes tasks; until they are there GDAL reads."""
    configure(engine_settings(settings))
    if settings.engine.kind is EngineKind.AUTO and not load_if_complete(place_of(settings)):
        make_kernels(settings).begin()
