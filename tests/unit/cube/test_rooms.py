"""Room for arrays: each has its own, cleared, whatever others were made before, and gives it back."""

from __future__ import annotations

import errno
import gc
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prismcube.cube import rooms
from prismcube.cube.rooms import HUGE, LARGEST, LEAST, LINE, PIECE, Rooms

TYPES = ["uint8", "int16", "uint16", "float32", "float64"]
SHAPES = st.one_of(
    st.tuples(st.integers(1, 1_500), st.integers(1, 1_500)),  # beyond `LARGEST` in bytes, for four of the five types
    st.tuples(st.integers(1, 40), st.integers(1, 150), st.integers(1, 150)),
)


@settings(max_examples=25)
@given(wanted=st.lists(st.tuples(SHAPES, st.sampled_from(TYPES)), min_size=1, max_size=12))
def test_arrays_are_clear_and_share_nothing(wanted: list[tuple[tuple[int, ...], str]]) -> None:
    made = []
    here = Rooms()
    for number, (shape, dtype) in enumerate(wanted, 1):
        one = here.zeros(shape, dtype)
        assert (one.shape, one.dtype) == (shape, np.dtype(dtype))
        assert one.flags.c_contiguous
        assert one.flags.writeable
        assert not one.any()
        one.fill(number)
        made.append(one)
        if number % 3 == 0:
            made[number - 2] = np.full(1, number - 1)  # one that is given back between two
    for number, one in enumerate(made, 1):
        assert (one == number).all()


def test_a_piece_is_shared_by_as_many_as_it_has_room_for(monkeypatch: Any) -> None:
    taken = []
    monkeypatch.setattr(rooms, "_piece", lambda size: taken.append(np.zeros(size, np.uint8)) or taken[-1])
    here = Rooms()
    slices = [here.zeros((512, 512), "uint16") for _ in range(20)]
    assert [len(one) for one in taken] == 5 * [HUGE]
    assert all(one.base is not None and one.ctypes.data % LINE == taken[0].ctypes.data % LINE for one in slices[:4])
    here.zeros((LEAST - 1,), "uint8")
    here.zeros((LARGEST,), "uint8")
    assert len(taken) == 5, "small and very large ones have no room here"


@pytest.mark.parametrize("what", ["mmap", "madvise"])
def test_numpy_helps_where_the_system_has_no_piece(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """No memory for it, or a kernel without huge pages."""

    class Poor(mmap.mmap):
        def __new__(cls, *arguments: Any, **more: Any) -> Any:
            if what == "mmap":
                raise OSError(errno.ENOMEM, "no memory")
            return super().__new__(cls, *arguments, **more)

        def madvise(self, *_: Any) -> None:
            raise OSError(errno.EINVAL, "unknown")

    monkeypatch.setattr(mmap, "mmap", Poor)
    made = Rooms().zeros((512, 512), "uint16")
    assert (made.shape, made.any()) == ((512, 512), False)
    assert made.flags.writeable


def test_sizes_that_do_not_fit_together_leave_nothing_over(monkeypatch: Any) -> None:
    taken: list[Any] = []
    monkeypatch.setattr(rooms, "_piece", lambda size: taken.append(np.zeros(size, np.uint8)) or taken[-1])
    here = Rooms()
    for _ in range(24):
        here.zeros((512, 512), "uint8")
        here.zeros((512, 512), "float64")
    wanted = 24 * 512 * 512 * 9
    assert sum(map(len, taken)) <= wanted * 1.05


@given(size=st.integers(LEAST, LARGEST - 1))
def test_little_of_a_piece_is_left_over(size: int) -> None:
    piece = rooms._fitting(size)
    assert size <= piece <= PIECE
    assert piece % HUGE == 0
    assert piece % size <= piece / 4


def test_memory_goes_back_with_the_last_array() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    before = resident()
    here = Rooms()
    made = [here.zeros((1024, 1024), "uint8") for _ in range(100)]
    for one in made:
        one.fill(1)
    assert resident() - before > 90 * 2**20
    del made[1::2]
    kept = [one[0, 0] for one in made]
    del made, one, here
    gc.collect()
    assert sum(kept) == 50
    assert resident() - before < 20 * 2**20


def test_the_last_few_slices_go_where_there_is_room(monkeypatch: Any) -> None:
    """40 slices in stacks of three: the last one, alone, needs no piece of its own."""
    taken: list[Any] = []
    monkeypatch.setattr(rooms, "_piece", lambda size: taken.append(np.zeros(size, np.uint8)) or taken[-1])
    here = Rooms()
    for count in [*13 * [3], 1]:
        here.zeros((count, 512, 512), "uint16")
    assert [len(one) for one in taken] == 4 * [3 * HUGE]


def test_flags_are_made_in_memory_of_those_that_nobody_has() -> None:
    here = Rooms()
    first, second = here.flags((3, 512, 512)), here.flags((3, 512, 512))
    assert (first.shape, first.dtype, first.flags.writeable) == ((3, 512, 512), np.dtype(bool), True)
    assert not np.shares_memory(first, second)
    at = first.ctypes.data
    part = first[2, 5:7]
    del first
    assert not np.shares_memory(here.flags((3, 512, 512)), part), "somebody has a part of it"
    del part
    smaller = here.flags((2, 512, 512))
    assert smaller.ctypes.data == at
    assert not np.shares_memory(smaller, second)


def test_flags_that_are_larger_than_those_given_back_get_memory_of_their_own() -> None:
    here = Rooms()
    first = here.flags((2, 512, 512))
    del first
    larger = here.flags((3, 512, 512))
    larger[...] = True
    assert larger.all()
    assert here.flags((5,)).shape == (5,)
