"""An archive on which jobs run in the test's own process, or by an orchestrator."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

sys.path.append(str(Path(__file__).parent))  # processes that execute tasks import our modules as well
sys.path.append(str(Path(__file__).parents[1] / "jobs"))

from dask_cluster import DaskCluster
from fake_jobs import FakeJob, Killed
from killing import Archive
from lines import Line

from ingester.index import Indexer, read_mapping
from ingester.validation import check_dataset, dataset_of, header_of
from prismcube.catalogue import Catalogue, FileEntry, Holding
from prismcube.catalogue.datasets import DatasetFilter
from prismcube.cube.engine import execute
from prismcube.cube.planner import make_plan
from prismcube.cube.request import CubeRequest
from prismcube.errors import Conflict
from prismcube.model.collection import Collection, ComputedField, StoredField
from prismcube.model.entities import Container, DatasetStatus, Instance, Record, Variable
from prismcube.model.expression import Expression
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.grouping import group_records
from prismcube.model.layout import Layout, RegularGrid
from prismcube.raster.inspect import inspect
from processes import consolidate, delete_datasets
from processes.process import Process
from processes.tools import Tools

START = datetime(2020, 1, 1, tzinfo=UTC)
UTM = "EPSG:32633"


class Bench:
    """A catalogue, a folder of sources, a folder that is ours, and jobs."""

    def __init__(self, catalogue: Catalogue, folder: Path) -> None:
        self.catalogue = catalogue
        self.folder = folder
        self.managed = folder / "ours"
        self.sources = folder / "archive"
        self.sources.mkdir()
        catalogue.managed = self.managed.as_uri()
        self.jobs: dict[str, FakeJob] = {}
        self._keys: dict[str, str] = {}
        self.tools = Tools(catalogue=catalogue, submit=self._submit, threads=2, grace=0)
        self._numbers = itertools.count(1)

    def job(self, process: Process, **inputs: Any) -> FakeJob:
        process.check(self.tools, inputs)
        return self._job(process, inputs)

    def _job(self, process: Process, inputs: Mapping[str, Any]) -> FakeJob:
        id = f"job-{next(self._numbers)}"
        self.jobs[id] = FakeJob(process, self.tools, inputs, self.folder / "scratch" / id, id=id)
        return self.jobs[id]

    def _submit(self, process: str, inputs: Mapping[str, Any], *, key: str) -> str:
        assert process == "delete-datasets"
        if key not in self._keys:
            self._keys[key] = self._job(delete_datasets.PROCESS, inputs).id
        if self.jobs[self._keys[key]].inputs != json.loads(json.dumps(inputs)):
            raise Conflict("idempotency key", key, "was used for another request")
        return self._keys[key]

    def consolidate(self, **inputs: Any) -> FakeJob:
        return self.job(consolidate.PROCESS, **inputs)

    def delete(self, **inputs: Any) -> FakeJob:
        return self.job(delete_datasets.PROCESS, **inputs)

    def index(self, mapping: Path, folder: Path) -> None:
        """Index real images by a mapping of the examples."""
        summary = Indexer(self.catalogue, read_mapping(mapping)).run([folder])
        assert not summary.failed

    def variable(self, name: str = "v", *, bands: tuple[str, ...] = ("b",), **format: Any) -> int:
        """A variable with one instance; its id."""
        wanted = DataFormat(**{"dtype": "uint16", "nodata": 0, **format})
        stored = self.catalogue.variables.put(Variable(name=name, bands=bands, format=wanted))[0]
        return self.catalogue.instances.put(Instance(variable_id=stored.id or 0, name="i"))[0].id or 0

    def add(
        self,
        pixels: Any,
        *,
        day: int = 0,
        x: float = 500_000,
        y: float = 5_000_000,
        pixel: float = 10,
        crs: str = UTM,
        nodata: float | None = 0,
        variable: str = "v",
        record: str = "",
        mapping: ValueMapping | None = None,
        **profile: Any,
    ) -> Path:
        """Write a source, (bands, height, width) or (height, width), and index it."""
        bands = pixels[np.newaxis] if pixels.ndim == 2 else pixels
        path = self.sources / f"{len(list(self.sources.iterdir())):03}.tif"
        given = {"driver": "GTiff", "count": len(bands), "dtype": bands.dtype, "crs": crs, "nodata": nodata, **profile}
        place = Affine(pixel, 0, x, 0, -pixel, y)
        with rasterio.open(path, "w", height=bands.shape[1], width=bands.shape[2], transform=place, **given) as file:
            file.write(bands)
        self.store(path, variable=variable, record=record or f"R{day}", day=day, mapping=mapping)
        return path

    def store(
        self, path: Path, *, variable: str, record: str, day: int, mapping: ValueMapping | None = None, **more: Any
    ) -> None:
        """Index a file that is there."""
        of = self.catalogue.variables.get(variable)
        instance = self.catalogue.instances.get(of.id or 0, "i")
        info = inspect(str(path))
        parts = check_dataset(info, bands=tuple(range(1, len(of.bands) + 1)), variable=of, mapping=mapping)
        time = START + timedelta(days=day)
        one = dataset_of(info, parts, instance_id=instance.id or 0, time=time)
        entry = FileEntry(
            container=Container(uri=info.uri, etag=info.etag, **more),
            holdings=(Holding(record=Record(name=record, time=time), datasets=(one,)),),
            headers={"": header_of(one)},
        )
        assert not isinstance(self.catalogue.files.put_many([entry])[0], Exception)

    def layout(self, name: str = "cells", *, size: int = 64, **more: Any) -> str:
        """A layout of cells of 64 x 64 pixels of 10 metres."""
        given: dict[str, Any] = {
            "grid": RegularGrid(crs=UTM, resolution=10, cell_width=size, cell_height=size, origin_y=5_000_000),
            "max_records": 10,
            "block_width": 16,
            "block_height": 16,
            "overviews_min_size": 16,
            **more,
        }
        self.catalogue.layouts.put(Layout(name=name, **given))
        return name

    def datasets(self, status: DatasetStatus | None = DatasetStatus.ACTIVE) -> list[Any]:
        return self.catalogue.datasets.list(DatasetFilter(status=status), limit=10_000)

    def cube(self, grid: Grid, *, variable: str = "v", resampling: str = "nearest", group: str = "record") -> Any:
        """What readers see now: {record name: (values, valid)}, by the engine."""
        of = self.catalogue.variables.get(variable)
        instance = self.catalogue.instances.get(of.id or 0, "i").id or 0
        return self.cube_of(instance, of, grid, resampling=resampling, group=group)

    def cube_of(self, instance: int, of: Variable, grid: Grid, *, resampling: str = "nearest", group: str = "record"):
        fields = tuple(
            StoredField(name=f"f{band}", instance_id=instance, band=band, format=of.format)
            for band in range(len(of.bands))
        )
        active = self.catalogue.datasets.list(
            DatasetFilter(status=DatasetStatus.ACTIVE, instances=(instance,)), limit=10_000
        )
        records = self.catalogue.records.get_many({one.record_id for one in active})
        request = CubeRequest(
            collection=Collection(name="read", fields=fields),
            fields=tuple(one.name for one in fields),
            grid=grid,
            groups=tuple(group_records(records, group)),
            resampling=resampling,
        )
        plan = make_plan(request, active, headers=self.catalogue.headers.of(active))
        found = {}
        for one in execute(plan):
            assert one.status.value in ("ok", "empty"), one.message
            found[plan.slices[one.index].step.records] = (np.stack(one.data), np.stack(one.valid))
        return found

    def state(self) -> Any:
        """All that a job may change."""
        every, catalogue = self.datasets(None), self.catalogue
        return (
            [(one.id, one.status) for one in every],
            catalogue.datasets.locks(one.id for one in every),
            [one.uri for one in catalogue.containers.list(limit=10_000)],
            catalogue.records.list(limit=10_000),
            catalogue.aois.list(limit=10_000),
            self.files(),
        )

    def files(self) -> list[Path]:
        return sorted(path for path in self.managed.rglob("*") if path.is_file())


@pytest.fixture
def bench(catalogue: Catalogue, tmp_path: Path) -> Iterator[Bench]:
    return Bench(catalogue, tmp_path)


@pytest.fixture
def sqlite_bench(tmp_path: Path) -> Iterator[Bench]:
    """On SQLite only: for what has nothing to do with the database."""
    from prismcube.catalogue import migrate

    url = f"sqlite:///{tmp_path}/catalogue.db"
    migrate(url)
    opened = Catalogue(url)
    yield Bench(opened, tmp_path)
    opened.close()


@pytest.fixture
def five(bench: Bench, pixels: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Five dates in parts of two, as the collection `c`, whose cubes are exported."""
    from prismcube.consolidation import export

    instance = bench.variable()
    for day in range(5):
        bench.add(pixels(100, 150, seed=day, empty=[(slice(0, 40), slice(0, 70))]), day=day)
    fields = (
        StoredField(name="b", instance_id=instance, band=0, format=DataFormat(dtype="uint16", nodata=0)),
        ComputedField(name="twice", expression=Expression("b + b")),
    )
    bench.catalogue.collections.put(Collection(name="c", fields=fields))
    monkeypatch.setattr(export, "PART_BYTES", 2 * 100 * 150 * 2)
    return bench


def same_cubes(before: Any, after: Any) -> None:
    """Every pixel of every date is the same; dates of which nothing is valid may be left out."""
    for key, (values, valid) in before.items():
        if not valid.any():
            assert key not in after or not after[key][1].any()
            continue
        np.testing.assert_array_equal(after[key][1], valid, err_msg=str(key))
        np.testing.assert_array_equal(after[key][0], values, err_msg=str(key))
    assert {key for key, (_, valid) in after.items() if valid.any()} <= before.keys()


@pytest.fixture(name="same_cubes")
def _same_cubes() -> Any:
    return same_cubes


@pytest.fixture
def pixels() -> Any:
    """Makes pictures of random numbers, 0 in none of them unless told."""

    def make(height: int, width: int, *, bands: int = 0, dtype: str = "uint16", seed: int = 0, empty: Any = ()) -> Any:
        generator = np.random.default_rng(seed)
        shape = (bands, height, width) if bands else (height, width)
        made = generator.integers(1, 250, shape).astype(dtype)
        for rows, cols in empty:
            made[..., rows, cols] = 0
        return made

    return make


@pytest.fixture
def killed() -> type[BaseException]:
    return Killed


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[DaskCluster]:
    """Of one worker."""
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"), free_port(), workers=1, code=Path(__file__).parent)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> DaskCluster | None:
    """None for tasks that are executed by a process of the orchestrator's own."""
    found: DaskCluster | None = None
    if getattr(request, "param", "local") == "dask":
        found = request.getfixturevalue("dask_cluster")
    return found


@pytest.fixture
def archive(bench: Bench, tmp_path: Path, pixels: Callable[..., Any]) -> Archive:
    """Consolidated once."""
    return Archive(bench, tmp_path, pixels)


@pytest.fixture
def line(archive: Archive, url: str, tmp_path: Path, cluster: DaskCluster | None) -> Iterator[Line]:
    made = Line(archive, url, tmp_path, cluster)
    yield made
    made.stop()
