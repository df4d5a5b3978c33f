"""Figures of a running server for Prometheus, the same in each worker, added up when they are read.

Workers are processes: prometheus-client keeps each one's figures in files of a folder that `server.run` names in the
environment before anything here is imported. Without it, as in tests, figures are those of this process.

No label holds what a client sends: routes are templates, methods and statuses are few.
"""

from __future__ import annotations

import os
import re
import threading

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from prismcube.cube.engine import Engine
from prismcube.errors import BudgetExceeded, Cancelled, PrismcubeError, SourceError, StorageFull, TimeExceeded
from prismcube.model.cube import SliceStatus

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which prometheus-client is told the folder."""

MOST_REASONS = 40
"""Labels of reasons, at most; the numbers in them don't count."""
_NUMBER = re.compile(r"[0-9][0-9,.]*")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """Everything that is counted; one a process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()

        def counter(name: str, told: str, *labels: str) -> Counter:
            return Counter(f"prismcube_{name}", told, labels, registry=registry)

        def gauge(name: str, told: str, *labels: str) -> Gauge:
            return Gauge(f"prismcube_{name}", told, labels, registry=registry, multiprocess_mode="livesum")

        def histogram(name: str, told: str, *labels: str) -> Histogram:
            return Histogram(f"prismcube_{name}", told, labels, registry=registry, buckets=_SECONDS)

        self.requests = counter("requests", "Requests answered.", "route", "method", "status")
        self.bytes_sent = counter("sent_bytes", "Bytes of answers' bodies.", "route")
        self.seconds = histogram("request_seconds", "From a request's headers to its answer's end.", "route")
        self.first_byte = histogram("first_byte_seconds", "From a request's headers to its answer's body.", "route")
        self.running = gauge("requests_running", "Requests that are being answered.")
        self.slices = counter("slices", "Time steps made, by how they ended.", "status")
        self.files = counter("files_read", "Visits to files of the archive.")
        self.bytes_read = counter("read_bytes", "Decoded bytes read from files, by plan.")
        self.fallbacks = counter("fallbacks", "Visits to files that GDAL had to read, by the reason.", "reason")
        self.refusals = counter("refusals", "Requests refused for what they ask, by the limit.", "kind")
        self.cancelled = counter("cancelled", "Work that was stopped, for its client had gone.")
        self.timeouts = counter("timeouts", "Work that was stopped, for it took too long.")
        self.stalls = counter("stalls", "Answers that were ended, for their client took nothing.")
        self.failures = counter("failures", "Answers that failed, by cause.", "kind")
        self.pool_size = gauge("pool_size", "Threads or connections there may be.", "pool")
        self.pool_busy = gauge("pool_busy", "Threads or connections in use.", "pool")
        self.pool_waiting = gauge("pool_waiting", "Requests that wait for one.", "pool")
        self.memory_total = gauge("memory_total_bytes", "Memory for cubes: limits.working_bytes of all workers.")
        self.memory_free = gauge("memory_free_bytes", "Of which nobody holds.")
        self.blocks = counter("blocks", "Blocks of files that were needed: decoded, kept from before, empty.", "how")
        self.cache_held = gauge("block_cache_bytes", "Memory for decoded blocks that are kept.")
        self.storage_reads = counter("storage_reads", "Reads of local files, and requests that stores answered.")
        self.storage_bytes = counter("storage_read_bytes", "Bytes that these brought.")
        self.compilations = counter("compilations", "Kernels that a worker had to compile itself.")
        for status in SliceStatus:
            self.slices.labels(status.value)
        for how in ("decoded", "kept", "empty"):
            self.blocks.labels(how)
        self._reasons: set[str] = set()
        self._seen: dict[str, int] = {}
        self._lock = threading.Lock()

    # --- the engine's observer ----------------------------------------------------------------------------------------

    def files_read(self, count: int, size: int) -> None:
        self.files.inc(count)
        self.bytes_read.inc(size)

    def fell_back(self, reason: str) -> None:
        reason = _NUMBER.sub("N", reason)[:80]
        # A plan may come from a stranger, with whatever reasons.
        known = reason in self._reasons or len(self._reasons) < MOST_REASONS
        if known:
            self._reasons.add(reason)
        self.fallbacks.labels(reason if known else "other").inc()

    def slice_made(self, status: SliceStatus, message: str) -> None:
        self.slices.labels(status.value).inc()

    # --- requests -----------------------------------------------------------------------------------------------------

    def answered(self, *, route: str, method: str, status: int, size: int, seconds: float, first: float | None) -> None:
        """A request has come to its end; `first`: seconds until its first byte, if there was one."""
        self.requests.labels(route, method if method in METHODS else "other", str(status)).inc()
        self.bytes_sent.labels(route).inc(size)
        self.seconds.labels(route).observe(seconds)
        if first is not None:
            self.first_byte.labels(route).observe(first)

    def failed(self, error: PrismcubeError) -> None:
        """Work for pixels has ended with an error."""
        match error:
            case BudgetExceeded():
                self.refusals.labels(error.what).inc()
            case Cancelled():
                self.cancelled.inc()
            case TimeExceeded():
                self.timeouts.inc()
            case SourceError():
                self.failures.labels("source").inc()
            case StorageFull():
                self.failures.labels("storage full").inc()

    def pool(self, name: str, *, size: int, busy: int, waiting: int = 0) -> None:
        self.pool_size.labels(name).set(size)
        self.pool_busy.labels(name).set(busy)
        self.pool_waiting.labels(name).set(waiting)

    def engine(self, engine: Engine) -> None:
        """How the pixel engine of this process is doing."""
        self.pool("cpu", size=engine.settings.threads, busy=engine.busy, waiting=engine.waiting)
        tally, traffic = engine.windows.tally, engine.windows.traffic
        for how, count in (("decoded", tally.decoded), ("kept", tally.kept), ("empty", tally.empty)):
            self._risen(self.blocks.labels(how), how, count)
        self._risen(self.storage_reads, "reads", traffic.requests)
        self._risen(self.storage_bytes, "bytes", traffic.size)
        self.cache_held.set(engine.windows.cache.held)

    def compiled(self, count: int) -> None:
        """How many kernels this worker has compiled so far."""
        self._risen(self.compilations, "compilations", count)

    def _risen(self, counter: Counter, name: str, total: int) -> None:
        """What is counted elsewhere has risen to this."""
        with self._lock:
            counter.inc(total - self._seen.get(name, 0))
            self._seen[name] = total

    def measured(self, accept: str, *others: Collector) -> tuple[bytes, str]:
        """(body, media type) of all workers' figures, in the form that an Accept header asks for.

        `others` tell what is the same for all workers.
        """
        registry = CollectorRegistry()
        if os.environ.get(FOLDER):
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it carries no types
        else:
            registry.register(self._registry)
        for other in others:
            registry.register(other)
        write, media_type = choose_encoder(accept)
        return write(registry), media_type
