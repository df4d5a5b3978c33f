"""The heap gives freed arrays back."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import threading, sys
import numpy as np
from server.heap import bound_heap
assert bound_heap()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
kept = []
def work(seed):
    random = np.random.default_rng(seed)
    for _ in range(60):
        large = [np.ones(random.integers(2**18, 2**21)) for _ in range(4)]  # 2 to 16 MB
        kept.append(np.ones(2000))  # small ones that stay, between the large ones
        del large
threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
before = resident()
[one.start() for one in threads]; [one.join() for one in threads]
print((resident() - before) // 2**20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such settings")
def test_a_process_shrinks_when_its_arrays_are_freed():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60, "MB; the arrays were of 600 MB at a time"
