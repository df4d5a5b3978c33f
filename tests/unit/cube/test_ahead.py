"""Works that begin before their turn."""

from contextlib import nullcontext

from hypothesis import given
from hypothesis import strategies as st

from prismcube.cube.ahead import LOCAL, WORKS, Ahead


class Work:
    """As much of a work as is looked at."""

    def __init__(self, asked):
        self.asked = asked
        self.is_cancelled = False

    def cancel(self):
        self.is_cancelled = True


@given(st.lists(st.integers(0, 12), max_size=3 * WORKS), st.integers(1, 40))
def test_works_begin_in_order_while_there_is_room_for_their_bytes(sizes, most):
    begun = []
    works = (begun.append(size) or Work(size) for size in sizes)
    ahead = Ahead(works, nullcontext, most_bytes=most)
    ahead.reach()
    taken = []
    while ahead:
        left = begun[len(taken) :]
        assert len(left) == len(ahead) <= WORKS
        assert sum(left[:-1]) < most  # the last one begun may exceed it
        assert left.count(0) <= LOCAL
        has_enough = 2 * len(left) > WORKS or 2 * sum(left) > most or left.count(0) == LOCAL
        full = len(begun) == len(sizes) or has_enough
        assert full  # enough to go on with
        taken.append(ahead.take().asked)
        ahead.reach()
    assert taken == begun == sizes


def test_works_of_little_are_as_many_as_may_be():
    ahead = Ahead((Work(1) for _ in range(3 * WORKS)), nullcontext, most_bytes=2**20)
    ahead.reach()
    assert len(ahead) == WORKS
    ahead = Ahead((Work(0) for _ in range(3 * WORKS)), nullcontext, most_bytes=2**20)
    ahead.reach()
    assert len(ahead) == LOCAL


def test_what_has_begun_is_cancelled():
    works = [Work(1) for _ in range(3)]
    ahead = Ahead(iter(works), nullcontext, most_bytes=2)
    ahead.reach()
    ahead.cancel()
    assert [one.is_cancelled for one in works] == [True, True, False]
