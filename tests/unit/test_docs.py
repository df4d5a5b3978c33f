"""The reference is complete: every setting and every command is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from config import describe

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def commands(command: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Every command below `command` as one types it."""
    # By attribute, not by class: typer brings a click of its own, whose groups are not click's.
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(path)
        return
    for name, one in below.items():
        if not one.hidden:
            yield from commands(one, (*path, name))


@pytest.mark.parametrize("setting", describe(), ids=lambda setting: setting.name)
def test_setting_is_in_the_reference(setting: tuple[str, str, str, str]) -> None:
    rows = (REFERENCE / "settings.md").read_text(encoding="utf-8").splitlines()
    name, kind, default, description = setting
    assert f"| `{name}` | {kind} | `{default}` | {description} |" in rows, f"docs/reference/settings.md lacks {name}"


def test_every_command_is_in_the_reference() -> None:
    from server.cli import typer_app

    text = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    names = list(commands(typer.main.get_command(typer_app), ("prismcube",)))
    assert "prismcube serve" in names
    missing = [name for name in names if not re.search(rf"`{name}\b", text)]
    assert not missing, f"docs/reference/cli.md lacks {', '.join(missing)}"
