"""GDAL in place of the fast way: told to, or as long as kernels are missing. It reads what the plan says."""

from collections import Counter

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling

from prismcube.cube.engine import Engine, EngineSettings
from prismcube.cube.gate import never
from prismcube.cube.observer import Nobody
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid

pytestmark = pytest.mark.parametrize("scenes", [True], ids=["layouts"], indirect=True)

HERE = Affine(10, 0, 500000, 0, -10, 5000000)
U16 = DataFormat(dtype="uint16", nodata=0)


class Reasons(Nobody):
    def __init__(self):
        self.reasons = Counter()

    def fell_back(self, reason):
        self.reasons[reason] += 1


def made(plan, **settings):
    """(the plan's slices, why files were read by GDAL)"""
    reasons = Reasons()
    engine = Engine(EngineSettings(threads=1, **settings))
    jobs = ((plan, index) for index in range(len(plan.slices)))
    slices = list(engine.run(jobs, at_once=1, keep=True, stop=never, observer=reasons))
    assert (engine.busy, engine.waiting) == (0, 0)
    return slices, reasons.reasons


@pytest.fixture
def pyramid(scenes):
    """A file of noise with overviews whose sides are odd."""
    noise = np.random.default_rng(1).integers(1, 10000, (301, 431)).astype(np.uint16)
    noise[40:90, 100:180] = 0
    path = scenes.write(noise, transform=HERE)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], Resampling.average)
    scenes.add(path)
    return path


@pytest.mark.parametrize("settings", [{"kind": "rasterio"}, {"is_warm": lambda: False}], ids=["told", "cold"])
@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic"])
def test_gdal_warps_the_level_that_the_plan_names(scenes, pyramid, settings, resampling):
    grid = Grid("EPSG:32632", Affine(41, 0, 500003, 0, -41, 4999996), 60, 90)
    plan = scenes.plan({"v": U16}, grid=grid, resampling=resampling)
    (step,) = plan.steps
    assert step.level == 2
    (fast,), none = made(plan)
    assert not none
    (one,), reasons = made(plan, **settings)
    assert sum(reasons.values()) == 1
    assert next(iter(reasons)) in ("the settings say rasterio", "kernels are being compiled")
    assert np.array_equal(one.valid[0], fast.valid[0])
    differs = one.data[0] != fast.data[0]
    if resampling == "nearest":
        assert differs.mean() < 0.01  # on the edge between two pixels either is right
    else:
        assert np.abs(one.data[0].astype(int) - fast.data[0]).max() <= 1


@pytest.mark.parametrize("kind", ["auto", "rasterio"])
def test_an_overview_on_whose_lattice_the_answer_lies_is_copied(scenes, kind):
    pixels = np.random.default_rng(2).integers(1, 10000, (320, 480)).astype(np.uint16)
    path = scenes.write(pixels, transform=HERE)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], Resampling.average)
    scenes.add(path)
    grid = Grid("EPSG:32632", HERE @ Affine.scale(4) @ Affine.translation(10, 20), 40, 50)
    plan = scenes.plan({"v": U16}, grid=grid, resampling="bilinear")
    (step,) = plan.steps
    assert (step.level, step.mode) == (2, "copy")
    (one,), _ = made(plan, kind=kind)
    with rasterio.open(path, overview_level=1) as file:
        assert np.array_equal(one.data[0], file.read(1)[20:60, 10:60])
    assert one.valid[0].all()


def test_a_file_that_has_lost_its_overviews_is_read_anew(scenes, pyramid):
    grid = Grid("EPSG:32632", Affine(41, 0, 500003, 0, -41, 4999996), 60, 90)
    plan = scenes.plan({"v": U16}, grid=grid, resampling="nearest")
    (step,) = plan.steps
    assert step.level > 0
    with rasterio.open(pyramid) as file:
        pixels, profile = file.read() + 1, file.profile
    with rasterio.open(pyramid, "w", **profile) as file:
        file.write(pixels)
    (one,), reasons = made(plan)
    assert (one.status.value, reasons) == ("ok", {"has changed since it was indexed": 1})
    with rasterio.open(pyramid) as file:
        there = [(grid.transform @ (col + 0.5, row + 0.5)) for row in range(60) for col in range(90)]
        wanted = np.array([value[0] for value in file.sample(there)]).reshape(grid.shape)
    assert (one.data[0] == wanted).mean() > 0.99, "on the edge between two pixels either is right"


def test_a_file_that_has_lost_its_overviews_is_told_where_gdal_reads_all(scenes, pyramid):
    grid = Grid("EPSG:32632", Affine(41, 0, 500003, 0, -41, 4999996), 60, 90)
    plan = scenes.plan({"v": U16}, grid=grid)
    with rasterio.open(pyramid) as file:
        pixels, profile = file.read(), file.profile
    with rasterio.open(pyramid, "w", **profile) as file:
        file.write(pixels)
    (one,), _ = made(plan, kind="rasterio")
    assert one.status.value == "failed"
    assert pyramid.name in one.message
    assert "lost its overviews" in one.message


@pytest.mark.parametrize("larger", [1, 7])
def test_a_file_that_is_another_one_now_is_told_as_replaced(scenes, pyramid, larger):
    grid = Grid("EPSG:32632", Affine(41, 0, 500003, 0, -41, 4999996), 60, 90)
    plan = scenes.plan({"v": U16}, grid=grid)
    with rasterio.open(pyramid) as file:
        profile = file.profile | {"height": file.height + larger}
    with rasterio.open(pyramid, "w", **profile) as file:
        file.write(np.ones((1, profile["height"], profile["width"]), np.uint16))
    (one,), _ = made(plan)
    assert one.status.value == "failed"
    assert f"{pyramid.name} could not be read: it was replaced since it was indexed" in one.message
