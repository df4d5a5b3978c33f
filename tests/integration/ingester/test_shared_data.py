"""Real archives: indexed or registered by the examples' mappings, their cubes and series equal to figures that others
computed. The traps among them that have to be refused: test_traps.py
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.warp import Resampling, reproject

from ingester.index import Indexer, Outcome, Status, read_mapping
from ingester.register import Registrar, derive_mapping
from prismcube.catalogue import Catalogue
from prismcube.cube.engine import execute
from prismcube.cube.planner import make_plan
from prismcube.cube.request import CubeRequest, choose_masks
from prismcube.model.collection import Collection
from prismcube.model.cube import Slice, SliceStatus
from prismcube.model.entities import Record
from prismcube.model.grid import Grid
from prismcube.model.grouping import group_records
from prismcube.raster.inspect import inspect

EXAMPLES = Path(__file__).parents[3] / "examples"


def index(catalogue: Catalogue, mapping: str, *files: Path) -> list[Outcome]:
    outcomes: list[Outcome] = []
    Indexer(catalogue, read_mapping(EXAMPLES / f"{mapping}.yml")).run(files, progress=outcomes.append)
    return outcomes


def register(catalogue: Catalogue, mapping: str, *sources: Path) -> list[Outcome]:
    outcomes: list[Outcome] = []
    rules = read_mapping(EXAMPLES / f"{mapping}.yml")
    Registrar(catalogue, rules).run(map(str, sources), progress=outcomes.append)
    return outcomes


def count(outcomes: Iterable[Outcome], status: Status) -> int:
    return sum(one.status is status for one in outcomes)


def records_of(catalogue: Catalogue, collection: Collection) -> list[Record]:
    return [record for record, _ in catalogue.records.items(collection, limit=1000)]


def cube(
    catalogue: Catalogue,
    collection: Collection,
    fields: tuple[str, ...],
    *,
    grid: Grid | None = None,
    group: str = "record",
    mosaic: str = "last",
    mask: str | None = None,
    records: list[Record] | None = None,
    resampling: str | None = None,
) -> list[Slice]:
    assert collection.extent is not None
    request = CubeRequest(
        collection=collection,
        fields=fields,
        grid=grid or collection.extent.native,
        groups=tuple(group_records(records or records_of(catalogue, collection), group)),
        mosaic=mosaic,
        masks=choose_masks(collection, fields, mask),
        resampling=resampling,
    )
    judged = {rule.field for rule in request.masks.values()}
    datasets = catalogue.datasets.find(collection, collection.sources([*fields, *judged])).datasets
    return list(execute(make_plan(request, datasets)))


def grid_of(path: Path) -> Grid:
    return inspect(path.as_uri()).grid


def nearest(path: Path, grid: Grid) -> Any:
    """The file's first band on a grid by rasterio, another implementation; 0 is empty."""
    pixels = np.zeros(grid.shape, np.uint16)
    with rasterio.open(path) as file:
        reproject(
            rasterio.band(file, 1), pixels, dst_transform=grid.transform, dst_crs=grid.crs,
            src_nodata=0, dst_nodata=0, resampling=Resampling.nearest,
        )  # fmt: skip
    return pixels


def expected(folder: Path) -> Any:
    return json.loads((folder / "expected.json").read_text())


def mean(values: Any) -> float:
    return float(np.mean(values, dtype=np.float64))


# s2-l2a-33T-2023: JPEG 2000 named .tif, georeferenced by sidecars, behind a static STAC catalogue


@pytest.fixture
def products(catalogue: Catalogue, shared_data: Path) -> tuple[Catalogue, Path, list[Outcome]]:
    folder = shared_data / "s2-l2a-33T-2023"
    return catalogue, folder, register(catalogue, "s2-33t", folder / "catalog.json")


def test_33t_equals_the_published_figures(products: tuple[Catalogue, Path, list[Outcome]]) -> None:
    catalogue, folder, outcomes = products
    assert [one for one in outcomes if one.status is Status.FAILED] == []
    assert count(outcomes, Status.CREATED) == 50
    collection = catalogue.collections.get("s2-33t")
    records = records_of(catalogue, collection)
    products_expected = expected(folder)["products"]
    assert {one.name for one in records} == set(products_expected)
    for record in records:
        figures = products_expected[record.name]
        grid = grid_of(folder / "sentinel-2-l2a" / record.name / "B04.tif")
        [one] = cube(catalogue, collection, ("ndvi", "SCL"), grid=grid, records=[record])
        ndvi, scl = one.data
        clear = one.valid[0]
        assert clear.sum() == figures["clear"], record.name
        assert mean(ndvi[clear]) == pytest.approx(figures["ndvi_mean_clear"], abs=1e-6)
        values, counts = np.unique(scl, return_counts=True)
        assert dict(zip(map(str, values), counts.tolist(), strict=True)) == figures["scl_hist"]
        [whole] = cube(catalogue, collection, ("ndvi",), grid=grid, records=[record], mask="none")
        assert whole.valid[0].sum() == figures["valid"]


def test_33t_tiles_of_a_day_make_one_mosaic(products: tuple[Catalogue, Path, list[Outcome]]) -> None:
    catalogue, folder, _ = products
    collection = catalogue.collections.get("s2-33t")
    assert collection.extent is not None
    native = collection.extent.native
    slices = cube(catalogue, collection, ("B04",), group="day", resampling="nearest")
    assert len(slices) == 5
    for one, day in zip(slices, ("0810", "0813", "0815", "0818", "0820"), strict=True):
        wanted = np.zeros(native.shape, np.uint16)
        records = [r for r in records_of(catalogue, collection) if f"2023{day}" in r.name]
        assert len(records) == 2
        for record in records:  # in time's order, the later on top; the tiles' grids are half a pixel apart
            warped = nearest(folder / "sentinel-2-l2a" / record.name / "B04.tif", native)
            wanted[warped != 0] = warped[warped != 0]
        assert np.array_equal(one.data[0], wanted)


def test_33t_differences_to_the_items_are_told(products: tuple[Catalogue, Path, list[Outcome]]) -> None:
    _, _, outcomes = products
    [red] = [one for one in outcomes if one.name == "S2A_33TWL_20230815_0_L2A/red"]
    told = "\n".join(red.notes)
    assert "proj:shape is 10980 x 10980, the file has 915 x 915 pixels" in told
    assert "proj:transform is (10, 0, 499980, 0, -10, 5100000), the file's is (120, 0, " in told
    assert "type is image/tiff, the file is JP2OpenJPEG" in told
    skipped = {one.name.partition("/")[2] for one in outcomes if one.status is Status.SKIPPED}
    assert {"granule_metadata", "aot", "thumbnail"} <= skipped  # none of these was asked for, remote or not


def test_33t_again_changes_nothing(products: tuple[Catalogue, Path, list[Outcome]]) -> None:
    catalogue, folder, _ = products
    again = register(catalogue, "s2-33t", folder / "catalog.json")
    assert count(again, Status.UNCHANGED) == 50
    assert count(again, Status.CREATED) == count(again, Status.FAILED) == 0


def test_33t_without_its_sidecar_is_refused(catalogue: Catalogue, shared_data: Path, tmp_path: Path) -> None:
    name = "S2A_33TWL_20230815_0_L2A"
    source = shared_data / "s2-l2a-33T-2023" / "sentinel-2-l2a" / name
    for file in (f"{name}.json", "B02.tif", "B02.tif.aux.xml", "B04.tif"):
        shutil.copy(source / file, tmp_path)
    outcomes = {one.name: one for one in register(catalogue, "s2-33t", tmp_path / f"{name}.json")}
    assert outcomes[f"{name}/blue"].status is Status.CREATED
    red = outcomes[f"{name}/red"]
    assert red.status is Status.FAILED
    assert "B04.tif" in red.reason
    assert "no coordinate reference system and no geotransform (is a sidecar missing?)" in red.reason
    assert "not found" in outcomes[f"{name}/nir"].reason


def test_33t_without_a_mapping(catalogue: Catalogue, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "s2-l2a-33T-2023"
    derived = derive_mapping([str(folder / "catalog.json")], "zagreb", assets=("red", "nir", "scl", "granule_metadata"))
    assert set(derived.left_out) == {"granule_metadata"}
    file = tmp_path / "mapping.yml"
    file.write_text(derived.yaml)
    outcomes: list[Outcome] = []
    summary = Registrar(catalogue, read_mapping(file)).run([str(folder)], progress=outcomes.append)
    assert (summary.created, summary.failed) == (30, 0)
    collection = catalogue.collections.get("zagreb")
    assert collection.title == "Sentinel-2 Level 2A"
    assert [one.name for one in collection.fields] == ["nir", "red", "scl"]
    assert [one.format.dtype for one in collection.stored_fields] == ["uint16", "uint16", "uint8"]
    assert {one.format.nodata for one in collection.stored_fields} == {0}


# s2-l2a-antimeridian-2023


def test_antimeridian(catalogue: Catalogue, shared_data: Path) -> None:
    folder = shared_data / "s2-l2a-antimeridian-2023"
    outcomes = register(catalogue, "s2-antimeridian", folder)
    assert [one for one in outcomes if one.status is Status.FAILED] == []
    assert count(outcomes, Status.CREATED) == 10
    assert not any("elsewhere" in note for one in outcomes for note in one.notes)
    collection = catalogue.collections.get("s2-antimeridian")
    for record, footprint in catalogue.records.items(collection):
        west, _, east, _ = footprint.bounds
        assert (west, east) == (-180, 180)
        assert len(footprint.geoms) == 2, "cut at the date line, not round the Earth"
        assert footprint.area < 10
        source = folder / "sentinel-s2-l2a" / record.name / "B04.jp2"
        [one] = cube(catalogue, collection, ("B04",), grid=grid_of(source), records=[record])
        with rasterio.open(source) as file:
            assert np.array_equal(one.data[0], file.read(1))
    extent = collection.extent
    assert extent is not None
    assert extent.native.crs == "EPSG:32601"
    assert extent.native.width == 915


# l8-ny-2018: nineteen scenes, each on a grid of its own


@pytest.fixture
def new_york(catalogue: Catalogue, shared_data: Path) -> tuple[Catalogue, Path]:
    folder = shared_data / "l8-ny-2018"
    outcomes = index(catalogue, "l8-ny", folder)
    assert [one for one in outcomes if one.status is Status.FAILED] == []
    assert count(outcomes, Status.CREATED) == 228
    return catalogue, folder


def test_new_york_equals_the_published_figures(new_york: tuple[Catalogue, Path]) -> None:
    catalogue, folder = new_york
    collection = catalogue.collections.get("l8-ny")
    records = {record.name: record for record in records_of(catalogue, collection)}
    scenes = expected(folder)["scenes"]
    assert len(records) == len(scenes) == 19
    for scene, figures in scenes.items():
        record = records[scene[:25]]
        grid = grid_of(folder / scene / f"{record.name}_B4.TIF")
        assert grid.shape == tuple(figures["shape"])
        [one] = cube(catalogue, collection, ("ndvi", "B4"), grid=grid, records=[record])
        both = one.valid[0]
        assert both.sum() == figures["valid"], scene
        assert mean(one.data[0][both]) == pytest.approx(figures["ndvi_mean"], abs=1e-6)
        assert mean(one.data[1][both]) == pytest.approx(figures["b4_mean"], abs=1e-6)


@pytest.mark.parametrize("backwards", [False, True])
def test_new_york_scenes_lie_in_the_order_asked(new_york: tuple[Catalogue, Path], backwards: bool) -> None:
    catalogue, folder = new_york
    collection = catalogue.collections.get("l8-ny")
    assert collection.extent is not None
    records = records_of(catalogue, collection)
    if backwards:
        records.reverse()
    grid = collection.extent.native
    [one] = cube(
        catalogue, collection, ("B4",), grid=grid, records=records, group=",".join(r.name for r in records),
        resampling="nearest",
    )  # fmt: skip
    wanted = np.zeros(grid.shape, np.uint16)
    for record in records:
        [scene] = folder.glob(f"{record.name}_*")
        warped = nearest(scene / f"{record.name}_B4.TIF", grid)
        wanted[warped != 0] = warped[warped != 0]
    assert np.array_equal(one.data[0], wanted)
    assert (wanted != 0).sum() > 4000


# mod13q1-sinop: no EPSG code


def test_modis_equals_the_published_figures(catalogue: Catalogue, shared_data: Path) -> None:
    folder = shared_data / "mod13q1-sinop"
    outcomes = index(catalogue, "mod13q1", folder)
    assert (count(outcomes, Status.CREATED), count(outcomes, Status.FAILED)) == (12, 0)
    collection = catalogue.collections.get("mod13q1")
    assert collection.extent is not None
    assert "EPSG" not in collection.extent.native.crs[:5]
    dates = expected(folder)["dates"]
    slices = cube(catalogue, collection, ("ndvi",))
    assert len(slices) == len(dates) == 12
    for one, (date, figures) in zip(slices, dates.items(), strict=True):
        ndvi = one.data[0].astype(np.float64) * 10_000
        assert mean(ndvi) == pytest.approx(figures["mean"], abs=1e-3), date
        assert (ndvi.min().round(), ndvi.max().round()) == (figures["min"], figures["max"])
        assert ndvi[73, 127] == pytest.approx(figures["px_r73_c127"], abs=1e-3)


# s2-eopatch-slovenia-2015-2017: dates stacked in files


def test_eopatch_equals_the_published_figures(catalogue: Catalogue, shared_data: Path) -> None:
    folder = shared_data / "s2-eopatch-slovenia-2015-2017"
    outcomes = index(catalogue, "s2-eopatch", folder)
    assert (count(outcomes, Status.CREATED), count(outcomes, Status.FAILED)) == (4, 0)
    figures = expected(folder)
    collection = catalogue.collections.get("s2-eopatch")
    records = records_of(catalogue, collection)
    assert [f"{one.time:%Y-%m-%dT%H:%M:%S}" for one in records] == figures["dates"]
    whole = cube(catalogue, collection, ("ndvi", "CLM"))
    clear = cube(catalogue, collection, ("ndvi",), mask="clear")
    for number, date in enumerate(figures["dates"]):
        ndvi, cloud = whole[number].data
        assert mean(ndvi) == pytest.approx(figures["ndvi_mean"][number], abs=1e-6), date
        assert mean(cloud) == pytest.approx(figures["cloud_fraction"][number], abs=1e-6), date
        assert ndvi[50, 50] == pytest.approx(figures["pixel_r50_c50"][number], abs=1e-6)
        free = figures["ndvi_mean_cloudfree"][number]
        if free is None:
            assert clear[number].status is SliceStatus.EMPTY
        else:
            assert mean(clear[number].data[0][clear[number].valid[0]]) == pytest.approx(free, abs=1e-6), date
    again = index(catalogue, "s2-eopatch", folder)
    assert count(again, Status.UNCHANGED) == 4


def test_eopatch_greatest_value(catalogue: Catalogue, shared_data: Path) -> None:
    folder = shared_data / "s2-eopatch-slovenia-2015-2017"
    index(catalogue, "s2-eopatch", folder / "NDVI_68dates.tif")
    collection = catalogue.collections.get("s2-eopatch")
    [one] = cube(catalogue, collection, ("ndvi",), group="all", mosaic="max")
    assert mean(one.data[0]) == pytest.approx(expected(folder)["max_ndvi_mean"], abs=1e-6)
