"""The memory of a worker is shared."""

import threading

import pytest

from prismcube.cube.gate import MemoryGate
from prismcube.errors import Cancelled, Overloaded


def test_what_fits_beside_what_runs_begins_at_once():
    gate = MemoryGate(100)
    with gate.hold(60), gate.hold(40):
        pass
    with gate.hold(100):
        pass


def test_more_than_all_is_all():
    with MemoryGate(100).hold(10**9):
        pass


def test_one_who_must_wait_begins_when_there_is_room():
    gate = MemoryGate(100)
    began, release = threading.Event(), threading.Event()

    def first():
        with gate.hold(80):
            began.set()
            release.wait(120)

    order = []

    def second():
        with gate.hold(50):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert began.wait(120)
    threads[1].start()
    with gate.hold(20):  # passes by the one who waits
        order.append("small")
    release.set()
    for thread in threads:
        thread.join(120)
    assert order == ["small", "second"]


def test_one_who_waits_in_vain_gives_up():
    gate = MemoryGate(100)

    def stop():
        raise Cancelled

    with gate.hold(100), pytest.raises(Cancelled):
        gate.hold(1, stop=stop).__enter__()
    with gate.hold(100, stop=stop):
        pass  # it gave nothing away


def test_what_is_kept_never_waits_and_leaves_room_for_what_is_held():
    """Those who keep are waiting for slow clients: whoever waited for them would wait as long."""
    gate = MemoryGate(100)
    with gate.keep(30), gate.keep(20), gate.hold(100), pytest.raises(Overloaded), gate.keep(1):
        pass
    with gate.keep(50):
        pass
