"""A host that fails for one file costs the steps of that file alone, by the fast way and by GDAL; nothing hangs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from prismcube.cube.engine import Engine, EngineSettings
from prismcube.cube.gate import never
from prismcube.cube.observer import NOBODY
from prismcube.model.cube import Slice, SliceStatus
from prismcube.model.formats import DataFormat
from prismcube.storage import buckets
from prismcube.storage.store import read_range, stat
from prismcube.tiff.layout import Header
from prismcube.tiff.parse import read_layout
from tests.integration.cube.conftest import Scenes
from tests.web import Web

HERE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
U16 = DataFormat(dtype="uint16", nodata=0)
CAUSES = {
    "500": ("its host fails", "its server answers with status 500"),
    "short": ("its host fails", "its server sent bytes"),
    "silent": ("its host does not answer", "can't be reached"),
    "drip": ("its host is too slow", "sends too slowly"),
    "loop": ("its host redirects in circles", "redirects in circles"),
    "dropped": ("its host does not answer", "can't be reached"),
    "replaced": ("it was replaced since it was indexed", "was replaced"),
    "damaged": ("it is truncated", "is truncated"),
}
"""What goes wrong, and what the answer and the log say of it."""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setitem(buckets.CLIENT, "read_timeout", "300ms")
    buckets.wait_at_most(0.6)
    buckets.forget()
    host = Web(tmp_path)
    yield host
    host.close()
    buckets.wait_at_most(buckets.PATIENCE)
    buckets.forget()


def run(scenes: Scenes, **asked: Any) -> list[Slice]:
    """The slices, by an engine that keeps no block of an earlier test."""
    plan, engine = scenes.plan({"v": U16}, **asked), Engine(EngineSettings(threads=2))
    jobs = ((plan, index) for index in range(len(plan.slices)))
    return list(engine.run(jobs, at_once=plan.at_once, keep=False, stop=never, observer=NOBODY))


def publish(scenes: Scenes, host: Web, path: Path, day: int, query: str = "") -> None:
    """Register a file as it is seen over HTTP."""
    scenes.add(path, day=day)
    uri = f"{host.url}/{path.name}{query}"
    status = stat(uri)
    scenes.datasets[-1] = replace(scenes.datasets[-1], uri=uri, etag=status.etag)
    scenes.headers[uri, ""] = Header(layout=read_layout(partial(read_range, uri), size=status.size), etag=status.etag)


def break_file(path: Path, host: Web, how: str, scenes: Scenes) -> None:
    if how == "replaced":
        with rasterio.open(path, "w", driver="GTiff", width=9, height=9, count=1, dtype="float32", crs="EPSG:32632",
                           transform=HERE) as file:  # fmt: skip
            file.write(np.ones((1, 9, 9), "float32"))
    elif how == "damaged":  # where blocks are told to lie is beyond the file's end
        uri = f"{host.url}/{path.name}"
        header = scenes.headers[uri, ""]
        assert header.layout is not None
        level = header.layout.levels[0]
        wrong = replace(header.layout, levels=(replace(level, offsets=level.offsets + np.uint64(10**9)),))
        scenes.headers[uri, ""] = replace(header, layout=wrong)
    else:
        host.faults[path.name] = how


@pytest.mark.parametrize("how", CAUSES)
def test_one_file_that_fails_costs_its_own_step(
    scenes_in: Callable[[Path], Scenes], tmp_path: Path, host: Web, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    scenes = scenes_in(tmp_path)
    if how == "damaged" and not scenes.by_layout:
        return  # GDAL has no layouts that could be wrong
    pixels = np.random.default_rng(1).integers(1, 60_000, (3, 300, 300)).astype(np.uint16)
    paths = [scenes.write(pixels[day], transform=HERE) for day in range(3)]
    for day, path in enumerate(paths):
        publish(scenes, host, path, day)
    break_file(paths[1], host, how, scenes)
    for shift in (0, 0.4):  # copied, resampled
        caplog.clear()
        grid = scenes.datasets[0].grid
        grid = replace(grid, transform=grid.transform @ Affine.translation(shift, shift))
        slices = run(scenes, grid=grid)
        assert [one.status for one in slices] == [SliceStatus.OK, SliceStatus.FAILED, SliceStatus.OK]
        assert slices[1].message == f"{paths[1].name} could not be read: {CAUSES[how][0]}"
        assert not slices[1].valid[0].any()
        assert not slices[1].data[0].any()
        [told] = {one.getMessage() for one in caplog.records if one.name.startswith("prismcube.cube")}
        assert paths[1].name in told
        assert CAUSES[how][1] in told
        if shift == 0:
            assert np.array_equal(slices[0].data[0], pixels[0])
            assert np.array_equal(slices[2].data[0], pixels[2])
    [one] = run(scenes, group="all", mosaic="median")
    assert one.status is SliceStatus.PARTIAL
    assert np.array_equal(one.data[0], np.median(pixels[[0, 2]].astype(float), axis=0))


def test_what_is_told_of_a_signed_url_is_its_name_alone(
    scenes_in: Callable[[Path], Scenes], tmp_path: Path, host: Web, caplog: pytest.LogCaptureFixture
) -> None:
    scenes = scenes_in(tmp_path)
    path = scenes.write(np.ones((1, 300, 300), np.uint16), transform=HERE)
    publish(scenes, host, path, 0, query="?X-Amz-Signature=a/SECRET")
    for how in ("loop", "drip", "500"):
        host.faults[path.name] = how
        [one] = run(scenes)
        assert one.status is SliceStatus.FAILED
        assert one.message == f"{path.name} could not be read: {CAUSES[how][0]}"
    host.faults.clear()
    break_file(path, host, "replaced", scenes)
    [one] = run(scenes)
    assert one.message == f"{path.name} could not be read: {CAUSES['replaced'][0]}"
    assert "SECRET" not in caplog.text
