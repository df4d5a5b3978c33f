"""How those who wait are told what is done."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int | None, int], None]
"""Told (what is done, how many steps in all, how many more are done); None in all but the first call of the same."""
