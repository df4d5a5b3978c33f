"""How many slices each stack of an answer has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prismcube.cube.stacks import MOST, STACK_PIXELS, _counts, _most
from prismcube.cube.units import FEW_PIXELS


def _taken(pixels: int, slices: int, threads: int, at_once: int) -> tuple[list[int], int]:
    """The counts that are asked for, and the most of one."""
    plan: Any = SimpleNamespace(grid=SimpleNamespace(pixels=pixels), slices=[None] * slices)
    means: Any = SimpleNamespace(threads=threads, at_once=at_once)
    most = _most(plan, 0, None, means)
    counts: list[int] = []
    for count in _counts(plan, 0, None, means):
        left = slices - sum(counts)
        if left <= 0:
            break
        counts.append(min(count, left))
    return counts, most


@given(
    pixels=st.integers(FEW_PIXELS + 1, STACK_PIXELS // 2),
    slices=st.integers(1, 300),
    threads=st.integers(1, 16),
    at_once=st.integers(1, 128),
)
def test_threads_have_as_many_stacks_each(pixels: int, slices: int, threads: int, at_once: int) -> None:
    counts, most = _taken(pixels, slices, threads, at_once)
    assert sum(counts) == slices
    assert max(counts) <= most
    assert max(counts) - min(counts) <= 1
    assert len(counts) % threads == 0 or len(counts) == slices


def test_forty_dates_for_two_threads() -> None:
    counts, _ = _taken(512 * 512, 40, 2, 16)
    assert sorted(counts) == [2, 2] + [3] * 12


@given(slices=st.integers(1, 300))
def test_stacks_of_few_pixels_are_as_large_as_they_may_be(slices: int) -> None:
    counts, _ = _taken(1, slices, 2, 16)
    assert counts[:-1] == [MOST] * (-(-slices // MOST) - 1)
