"""What may stand under `options:` of a provider definition."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from prismcube.errors import ConfigurationError
from providers.ogc.answer import Limits

DEFAULT_LIMITS: Mapping[str, int] = {
    "answer_bytes": 512 * 2**20,
    "working_bytes": 2**30,
    "read_bytes": 4 * 2**30,
    "pixels": 2_000_000_000,
    "slices": 1000,
    "json_values": 3_000_000,
    "items": 1000,
    "default_items": 10,
    "vertices": 10_000,
    "counted": 10_000,
}
"""As those of our own server (`config.tree.Limits`), which a test holds them to."""

DEFAULT_SECONDS = 100


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where a provider finds its collection, and what a request may cost. The descriptions are the documentation."""

    home: Path | None = field(
        default=None,
        metadata={"says": "Folder of the catalogue and of temporary files, as `prismcube.home` of the other server."},
    )
    catalogue: str = field(
        default="",
        metadata={
            "says": "Address of the database, as `prismcube.catalogue.url`. Default: `catalogue.sqlite` in `home`."
        },
    )
    limits: Limits = field(
        default_factory=lambda: Limits(**DEFAULT_LIMITS),
        metadata={"says": "What one request may cost: some of `prismcube.limits`, in plain numbers."},
    )
    seconds: int = field(default=DEFAULT_SECONDS, metadata={"says": "Seconds that one request may take."})
    parameters: Mapping[str, str] = field(
        default_factory=dict,
        metadata={
            "says": "Parameters that every request gets unless it has its own, such as `mosaic: median`: the way to "
            "those that pygeoapi does not pass on."
        },
    )

    @classmethod
    def of(cls, values: Any, *, others: Sequence[str] = ()) -> Options:
        """From YAML; `others` are options that pygeoapi reads itself.

        Raises ConfigurationError with every mistake.
        """
        if not isinstance(values, Mapping):
            raise ConfigurationError("options", [("options", "must hold keys and values")])
        known = [one.name for one in fields(cls)]
        mistakes = [(str(name), "unknown option") for name in values if name not in known and name not in others]
        given = {name: value for name, value in values.items() if name in known}
        if not given.get("home") and not given.get("catalogue"):
            mistakes.append(("home", "or catalogue is required"))
        limits = given.pop("limits", None) or {}
        parameters = given.pop("parameters", None) or {}
        mistakes += _wrong_limits(limits)
        seconds = given.get("seconds", DEFAULT_SECONDS)
        if not _positive(seconds):
            mistakes.append(("seconds", f"must be a positive whole number, got {seconds!r:.40}"))
        if not isinstance(parameters, Mapping):
            mistakes.append(("parameters", "must hold keys and values"))
        if mistakes:
            raise ConfigurationError("options", mistakes)
        return cls(
            home=Path(given["home"]).expanduser() if given.get("home") else None,
            catalogue=str(given.get("catalogue") or ""),
            limits=Limits(**{**DEFAULT_LIMITS, **limits}),
            seconds=seconds,
            parameters={str(name): str(value) for name, value in parameters.items()},
        )

    @property
    def url(self) -> str:
        """Of the catalogue."""
        return self.catalogue or f"sqlite:///{(self.home or Path()).resolve() / 'catalogue.sqlite'}"

    @property
    def temporary(self) -> Path:
        """Folder for answers that are written before they are sent."""
        return self.home / "tmp" if self.home else Path(tempfile.gettempdir(), "prismcube")


def _wrong_limits(limits: Any) -> list[tuple[str, str]]:
    if not isinstance(limits, Mapping):
        return [("limits", "must hold keys and values")]
    unknown = [(f"limits.{name}", "unknown limit") for name in limits if name not in DEFAULT_LIMITS]
    return unknown + [
        (f"limits.{name}", f"must be a positive whole number, got {value!r:.40}")
        for name, value in limits.items()
        if name in DEFAULT_LIMITS and not _positive(value)
    ]


def _positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
