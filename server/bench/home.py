"""Home folders of the benches, whatever files and the environment say of another."""

from __future__ import annotations

from pathlib import Path

from config.settings import Settings, load

CONFIGURATION = Path(__file__).resolve().parents[2] / "pygeoapi-config.yml"
"""That of the program: what is configured here is no matter."""


def settings_of(home: Path) -> Settings:
    """Settings of a home folder with a catalogue in it."""
    overrides = {"prismcube.home": str(home), "prismcube.catalogue.url": f"sqlite:///{home}/catalogue.sqlite"}
    return load(CONFIGURATION, overrides=overrides)
