"""Ending a server, gently and not."""

import os
import signal
import time

import httpx
import pytest


def ended(process, seconds=30):
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        assert time.monotonic() < deadline, "the server did not stop"
        time.sleep(0.05)
    return process.returncode


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_term_end_it_quietly(start, tmp_path, how):
    running = start(tmp_path / "home", "serve", "--workers", "1")
    with running as server:
        assert server.json("/collections")["collections"] == []
        os.kill(server.pid, how)
        assert ended(running.process) == 0
        assert "Traceback" not in server.output.read_text()


def test_a_killed_worker_is_replaced(demo):
    children = demo.workers()
    os.kill(children[0], signal.SIGKILL)
    deadline = time.monotonic() + 60
    while len(set(demo.workers()) - {children[0]}) < 2 or httpx.get(f"{demo.url}/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert children[0] not in demo.workers()


def test_work_for_a_client_that_has_gone_stops(start, demo):
    """Each of these would compute for minutes; with one pixel thread they would stand in the way of all others."""
    costly = {"width": 1000, "height": 1000, "properties": "ndvi", "group": "all", "mosaic": "mean", "mask": "none",
              "resampling": "cubic"}  # fmt: skip
    with start(demo.home, "serve", "--workers", "1", SERVE__THREADS="1") as server:
        for _ in range(5):
            with pytest.raises(httpx.TimeoutException):
                httpx.get(f"{server.url}/collections/s2-romania/coverage", params=costly, timeout=0.5)
        answer = httpx.get(
            f"{server.url}/collections/s2-romania/position?coords=POINT(22.1522 45.2048)&datetime=2016-03-18",
            timeout=60,
        )
        assert answer.status_code == 200


def test_what_a_killed_server_left_is_swept_up(start, tmp_path):
    old, new = tmp_path / "tmp" / "answer-old", tmp_path / "tmp" / "answer-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "cube.tif").write_bytes(b"half")
    os.utime(old, (0, 0))
    with start(tmp_path, "serve", "--workers", "1"):
        assert not old.exists()
        assert new.exists(), "another server may still be writing it"


def test_an_answer_leaves_no_file_behind(demo):
    for name in ("cog", "netcdf", "zarr"):
        demo.ok("/collections/s2-romania/coverage", datetime="2016", f=name)
    assert list((demo.home / "tmp").glob("answer-*")) == []


def test_the_first_start_makes_a_home_that_is_all_its_own(start, tmp_path):
    with start(tmp_path / "deep" / "home", "serve", "--workers", "1") as server:
        assert {path.name.partition("-")[0] for path in server.home.iterdir()} <= {
            "catalogue.sqlite",
            "output.txt",
            "tmp",
        }
