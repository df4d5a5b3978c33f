"""Large answers on real sockets: memory, the first byte, clients that go or take nothing."""

import json
import os
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
import rasterio
import yaml

from tests import commands
from tests.http.server import Tiff

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
DATES, SIDE, WIDE = 16, 4096, 8192


def mapping(name, bands):
    return {
        "variables": {f"{name}-v": {"bands": bands, "dtype": "uint16", "nodata": 0}},
        "files": [
            {
                "pattern": rf"{name}_(?P<day>\d\d)\.tif",
                "record": f"{name}-{{day}}",
                "time": "2020-01-{day}",
                "datasets": [{"instance": f"{name}-v/raw", "bands": list(range(1, len(bands) + 1))}],
            }
        ],
        "collections": {
            name: {"fields": {band: {"instance": f"{name}-v/raw", "band": band} for band in bands}, "title": name}
        },
    }


def pixels(day, band, side):
    """A picture that packs well and differs from its neighbours in time, band and place."""
    rows, columns = np.arange(side, dtype=np.uint16)[:, None] // 16, np.arange(side, dtype=np.uint16)[None, :] // 16
    return (1 + day * 1000 + band * 100 + rows * 3 + columns).astype(np.uint16)


@pytest.fixture(scope="module")
def large(tmp_path_factory, start):
    """A server of one worker: `series`, 16 dates of 4096² pixels, and `wide`, one date of 8192² pixels in 4 bands."""
    home = tmp_path_factory.mktemp("large")
    sets = {"series": (["v"], range(1, DATES + 1), SIDE), "wide": (["a", "b", "c", "d"], [1], WIDE)}
    for name, (bands, days, side) in sets.items():
        folder = home / name
        folder.mkdir()
        shape = {"width": side, "height": side, "count": len(bands), "dtype": "uint16", "nodata": 0}
        blocks = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1}
        place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)}
        for day in days:
            path = folder / f"{name}_{day:02}.tif"
            with rasterio.open(path, "w", driver="GTiff", interleave="band", **shape, **blocks, **place) as file:
                for band in range(len(bands)):
                    file.write(pixels(day, band, side), band + 1)
        (home / f"{name}.yml").write_text(yaml.safe_dump(mapping(name, bands)))
        commands.run("index", "--home", home, "--mapping", home / f"{name}.yml", folder).check_returncode()
    with start(home, "serve", "--workers", "1") as server:
        yield server


def high_water(server):
    """Bytes of memory that the worker has had at most."""
    [worker] = server.workers()
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{worker}/status").read_text())[1]) * 1024


def visits(server):
    """How often files of the archive have been read."""
    return float(re.search(r"^prismcube_files_read_total (\S+)", server.ok("/metrics").text, re.MULTILINE)[1])


@pytest.mark.parametrize(("name", "bands", "side"), [("series", DATES, SIDE), ("wide", 4, WIDE)])
def test_512_mib_go_through_little_memory_and_leave_before_all_is_read(large, tmp_path, name, bands, side):
    path = f"/collections/{name}/coverage"
    large.ok(path, bbox="15,45.1,15.01,45.11", datetime="2020-01-01")  # what comes with the first request is there
    before, read_before = high_water(large), visits(large)
    whole = large.json(path, estimate="true")
    assert whole["outputBytes"] == 512 * MIB
    target = tmp_path / "cube.tif"
    with httpx.stream("GET", large.url + path, timeout=120) as answer, target.open("wb") as file:
        assert answer.status_code == 200
        size = int(answer.headers["content-length"])
        read_at_first_byte = None
        for piece in answer.iter_bytes():
            if read_at_first_byte is None:
                read_at_first_byte = visits(large) - read_before
            file.write(piece)
    read = visits(large) - read_before
    assert read_at_first_byte < read, "the last part had been read when the first byte left"
    assert target.stat().st_size == size
    assert high_water(large) - before <= 300 * MIB
    with rasterio.open(target) as file:
        assert file.count == bands
        for band in (1, bands):
            day, own = (band, 0) if name == "series" else (1, band - 1)
            assert np.array_equal(file.read(band), pixels(day, own, side))


def test_60_000_squared_is_refused_before_anything_is_allocated(large):
    before, read_before = high_water(large), visits(large)
    problem = large.refused("/collections/series/coverage", status=413, width=60_000, height=60_000)
    assert "would fit" in problem["detail"]
    assert problem["allowed"] < problem["asked"]
    assert high_water(large) - before < 20 * MIB
    assert visits(large) == read_before


def begun(server, path):
    """A connection on which the first bytes of an answer have come, and no more are taken."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert connection.recv(1024).startswith(b"HTTP/1.1 200")
    return connection


@pytest.mark.alone
def test_reads_stop_when_the_client_goes(large):
    at_first = visits(large)
    with begun(large, "/collections/series/coverage") as connection:
        while len(connection.recv(MIB, socket.MSG_WAITALL)) == MIB and visits(large) - at_first < 6:
            pass
    gone = visits(large)
    time.sleep(1)
    settled = visits(large)
    assert settled - gone <= 2, "at most the part that was being read, and the one that was made ready"
    time.sleep(2)
    assert visits(large) == settled
    assert settled - at_first < DATES * SIDE // 1024


def owner(server, connection):
    """Process id of the worker at the other end of a connection (proc_pid_net(5))."""
    (host, port), (_, own) = connection.getpeername(), connection.getsockname()
    place = "".join(reversed([f"{int(part):02X}" for part in host.split(".")]))
    for pid in server.workers():
        lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
        [socket_number] = [one[9] for one in lines if (one[1], one[2]) == (f"{place}:{port:04X}", f"{place}:{own:04X}")]
        for link in Path(f"/proc/{pid}/fd").iterdir():
            if link.is_symlink() and os.readlink(link) == f"socket:[{socket_number}]":
                return pid
    raise AssertionError("nobody has the connection")


def test_a_worker_that_is_killed_takes_its_own_answers_with_it(large, start):
    """The client sees that its answer is not whole; the other worker goes on, and a new one comes."""
    with start(large.home, "serve", "--workers", "2") as server:
        path = "/collections/series/coverage"
        connection = begun(server, path)
        with connection:
            before = server.workers()
            killed = owner(server, connection)
            [other] = set(before) - {killed}
            os.kill(killed, signal.SIGKILL)
            received = 0
            with suppress(ConnectionResetError):
                while piece := connection.recv(MIB):
                    received += len(piece)
            assert received < 512 * MIB, "what was told to come has not"
        deadline = time.monotonic() + 120
        while len(server.workers()) < 2 or killed in server.workers():
            assert other in server.workers()
            assert server.get("/healthz").status_code == 200
            assert time.monotonic() < deadline, "no other worker came"
            time.sleep(0.1)
        assert other in server.workers()
        small = server.tiff(path, bbox="15,45.1,15.01,45.11", datetime="2020-01-01")
        assert small.data.any()
        assert not list((server.home / "tmp").glob("answer-*"))


@pytest.mark.alone
def test_who_takes_nothing_makes_nothing_be_read(large):
    at_first = visits(large)
    with begun(large, "/collections/series/coverage"):
        time.sleep(2)
        waiting = visits(large)
        assert waiting - at_first <= 2
        assert large.get("/collections/series/position?coords=POINT(15.1 45.1)").status_code == 200


def test_many_slow_clients_stand_in_nobodys_way(large):
    """They keep what they have not taken yet, but neither threads nor the memory that others compute with."""
    with ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(begun(large, "/collections/wide/coverage"))
        large.ok("/collections/series/coverage", datetime="2020-01-03", width=200)
        large.ok("/collections/series/position?coords=POINT(15.1 45.1)")


def test_many_large_answers_at_once_all_come(large):
    asked = {"datetime": "2020-01-05"}
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: large.get("/collections/series/coverage", **asked), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def test_who_takes_nothing_for_too_long_is_let_go(large, start):
    settings = {"LIMITS__STALL_SECONDS": "1", "CATALOGUE__URL": f"sqlite:///{large.home}/catalogue.sqlite"}
    running = start(large.home / "stalled", "serve", "--workers", "1", **settings)
    with running as server, begun(server, "/collections/series/coverage") as connection:
        deadline = time.monotonic() + 60
        while "took nothing" not in server.output.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        received = 0
        while piece := connection.recv(MIB):
            received += len(piece)
        assert received < 512 * MIB, "the connection ended, and the answer was not whole"


def test_work_that_takes_too_long_is_stopped(large, start):
    settings = {"LIMITS__SECONDS": "1", "CATALOGUE__URL": f"sqlite:///{large.home}/catalogue.sqlite"}
    with start(large.home / "hurried", "serve", "--workers", "1", **settings) as server:
        costly = {"crs": "EPSG:3857", "width": 2000, "resampling": "lanczos", "group": "all", "mosaic": "mean"}
        problem = server.refused("/collections/series/coverage", status=503, **costly)
        assert "longer than 1 s" in problem["detail"]
        assert "prismcube_timeouts_total 1.0" in server.ok("/metrics").text


def test_what_needs_much_memory_for_a_small_answer_is_made_in_parts(large):
    """A median keeps every date: this one would need 1.1 GB as a whole, for an answer of 33 MB."""
    asked = {"width": 2890, "height": 2890, "group": "all", "mosaic": "median"}
    estimate = large.json("/collections/series/coverage", estimate="true", **asked)
    assert estimate["fits"]
    assert estimate["workingBytes"] < 200 * MIB
    assert large.json("/collections/series/coverage", estimate="true", f="cog", **asked)["fits"] is False
    before = high_water(large)
    answer = large.ok("/collections/series/coverage", **asked).content
    assert high_water(large) - before <= 300 * MIB
    assert json.loads(answer[answer.rindex(b"\n{") :]) == {"prismcube:status": ["ok"]}
    cube = Tiff(answer)
    middle = np.median([pixels(day, 0, SIDE)[1000:1016, 1000:1016] for day in range(1, DATES + 1)], axis=0)
    rows = slice(1000 * 2890 // SIDE + 1, 1016 * 2890 // SIDE - 1)
    assert np.array_equal(np.unique(cube.data[0, rows, rows]), np.unique(middle + 0.5).astype(np.uint16))
