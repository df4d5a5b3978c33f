"""The Prefer header (RFC 7240): whether a client waits for a job, and how long."""

from __future__ import annotations

from dataclasses import dataclass

MOST_DIGITS = 9


@dataclass(frozen=True)
class Preference:
    """What is preferred; what is not understood counts for nothing (RFC 7240, 2)."""

    is_async: bool = False
    is_sync: bool = False
    """Not of the standard, but some clients say so."""
    wait: int | None = None
    """Seconds."""

    @classmethod
    def parse(cls, header: str) -> Preference:
        found: dict[str, str] = {}
        for part in header.split(",")[:50]:
            name, _, value = part.partition(";")[0].partition("=")
            found.setdefault(name.strip().lower(), value.strip().strip('"'))  # the first one counts
        wait = found.get("wait", "")
        seconds = int(wait) if wait.isascii() and wait.isdigit() and len(wait) <= MOST_DIGITS else None
        return cls(is_async="respond-async" in found, is_sync="respond-sync" in found, wait=seconds)

    def seconds(self, *, synchronous: bool, most: float) -> float:
        """How long the request waits for the job: 0 for an answer at once.

        A process that is synchronous is waited for, unless the client wants no more than to be told where the job is
        (18-062r2, /req/core/job-creation-default-execution-mode and -auto-execution-mode).
        """
        if not synchronous or (self.is_async and self.wait is None):
            return 0
        return most if self.wait is None else min(self.wait, most)

    def applied(self, *, seconds: float, is_late: bool) -> str:
        """The header Preference-Applied: what was asked for and done; empty for nothing."""
        done = []
        if self.is_async and is_late:
            done.append("respond-async")
        if self.is_sync and not is_late:
            done.append("respond-sync")
        if self.wait is not None and seconds:
            done.append(f"wait={seconds:g}")
        return ", ".join(done)
