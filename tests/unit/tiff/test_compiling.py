"""Threads that want kernels at the same instant."""

import threading
from concurrent.futures import ThreadPoolExecutor

from prismcube.tiff.compiling import one_at_a_time


def test_each_is_made_once_and_no_two_at_the_same_time():
    made, at_work, most = [], 0, 0
    begin = threading.Barrier(8)

    @one_at_a_time
    def make(name):
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        threading.Event().wait(0.01)
        made.append(name)
        at_work -= 1
        return object()

    def ask(number):
        begin.wait()
        return make(number % 4), make(number % 4)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert sorted(made) == [0, 1, 2, 3]
    assert most == 1
    assert all(first is second for first, second in found)
    assert len({id(first) for first, _ in found}) == 4


def test_one_kernel_may_need_another():
    @one_at_a_time
    def inner():
        return 1

    @one_at_a_time
    def outer():
        return inner() + 1

    assert outer() == 2
