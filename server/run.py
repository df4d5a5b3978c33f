"""gunicorn with uvicorn workers, started from Python.

The master loads nothing that opens databases, starts threads or touches GDAL: each worker makes its own after the fork.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication

from config.settings import Settings

GRACEFUL_SECONDS = 10
"""How long a worker may finish its answers after a TERM."""


class Application(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    """The server of some settings; `run()` serves until a signal."""

    def __init__(self, settings: Settings, *, when_ready: Callable[[], None] | None = None) -> None:
        self._settings = settings
        self._when_ready = when_ready
        super().__init__()

    def load_config(self) -> None:
        serve = self._settings.serve
        options: dict[str, Any] = {
            "bind": f"[{serve.host}]:{serve.port}" if ":" in serve.host else f"{serve.host}:{serve.port}",
            "workers": serve.workers,
            "worker_class": "uvicorn_worker.UvicornWorker",
            "timeout": serve.timeout,
            "graceful_timeout": GRACEFUL_SECONDS,
            "loglevel": "warning",
            "proc_name": "prismcube",
            "control_socket_disable": True,  # one way in is enough
        }
        if self._when_ready:
            tell = self._when_ready
            options["when_ready"] = lambda arbiter: tell()
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from server.asgi import create_app  # in the worker: imports GDAL, pygeoapi and the rest

        return create_app(self._settings)
