"""`python -m benchmarks.filling [--runs N] [--json FILE]`: slices that are filled, beside the same ones computed.

Both ways are the engine's own: what is mapped, cast or masked is filled from the top down, and would be computed record
by record like a mean or an expression (`CubePlan.is_filled`). Three dates of 2048 × 2048, of which the topmost wins;
one thread, CPU time; interleaved runs. The answers must be the same. MB are what numpy held at most, beside what the
plan says of the filled one.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

import numpy as np
import rasterio
import typer
from rich.console import Console
from rich.table import Table
from shapely.geometry import MultiPolygon, box

from prismcube.cube.engine import Engine, EngineSettings
from prismcube.cube.gate import never
from prismcube.cube.observer import NOBODY
from prismcube.cube.plan import CubePlan
from prismcube.cube.planner import Headers, make_plan
from prismcube.cube.request import CubeRequest
from prismcube.model.collection import Collection, StoredField
from prismcube.model.cube import Slice
from prismcube.model.entities import Dataset, Record
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.grouping import group_records
from prismcube.model.mask import MaskRule
from prismcube.storage.store import read_range, stat
from prismcube.tiff.layout import Header
from prismcube.tiff.parse import read_layout

SIDE, DATES = 2048, 3
_PLACE = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
_REFLECTANCE = ValueMapping(imin=0, imax=10_000, emin=0, emax=1)
_CLEAR = MaskRule(name="clear", field="q", values=frozenset({4, 5, 6}))


class Archive:
    """Dates of a band in one type, and of its quality in 8 bits."""

    def __init__(self, folder: Path, dtype: str) -> None:
        self._folder, self._dtype = folder, dtype
        self._datasets: list[Dataset] = []
        self._headers: dict[tuple[str, str], Header] = {}
        self._records = [
            Record(id=number, name=f"R{number}", time=datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=number))
            for number in range(DATES)
        ]
        random = np.random.default_rng(1)
        y, x = np.mgrid[0:SIDE, 0:SIDE]
        for record in self._records:
            pixels = (
                1500 + 600 * np.sin(x / 97 + (record.id or 0)) + 500 * np.cos(y / 131) + random.normal(0, 8, x.shape)
            )
            if dtype == "uint8":
                pixels /= 16
            pixels[:200, :300] = 0
            self._add(record, 1, pixels.astype(dtype))
            clouds = np.kron(random.integers(3, 9, (SIDE // 64, SIDE // 64)), np.ones((64, 64)))
            self._add(record, 2, clouds.astype(np.uint8))

    def _add(self, record: Record, instance: int, pixels: np.ndarray[Any, Any]) -> None:
        path = self._folder / f"{self._dtype}-{len(self._datasets)}.tif"
        about = {"driver": "GTiff", "count": 1, "dtype": pixels.dtype, "crs": "EPSG:32632", "transform": _PLACE}
        blocks = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "zstd", "predictor": 2}
        with rasterio.open(path, "w", height=SIDE, width=SIDE, nodata=0, **about, **blocks) as file:
            file.write(pixels, 1)
        uri, status = path.as_uri(), stat(path.as_uri())
        self._headers[uri, ""] = Header(
            layout=read_layout(partial(read_range, uri), size=status.size), etag=status.etag
        )
        number = len(self._datasets) + 1
        self._datasets.append(
            Dataset(
                id=number,
                record_id=record.id or 0,
                instance_id=instance,
                container_id=number,
                time=record.time,
                uri=uri,
                bands=(1,),
                format=DataFormat(dtype=pixels.dtype.name, nodata=0),
                mapping=_REFLECTANCE if instance == 1 else ValueMapping(),
                grid=Grid("EPSG:32632", _PLACE, SIDE, SIDE),
                footprint=MultiPolygon([box(-180, -90, 180, 90)]),
                etag=status.etag,
            )
        )

    def plan(self, to: DataFormat, *, mapping: ValueMapping, masked: bool, warped: bool) -> CubePlan:
        """One slice of all dates."""
        fields = (
            StoredField(name="v", instance_id=1, band=0, format=to, resampling="bilinear"),
            StoredField(name="q", instance_id=2, band=0, format=DataFormat(dtype="uint8", nodata=0)),
        )
        grid = self._datasets[0].grid
        if warped:
            bounds = grid.bounds.to_crs(grid.crs, "EPSG:3857")
            grid = Grid.from_bounds("EPSG:3857", bounds, width=SIDE, height=SIDE)
        request = CubeRequest(
            collection=Collection(name="benchmark", fields=fields, masks=(_CLEAR,)),
            fields=("v",),
            grid=grid,
            groups=tuple(group_records(self._records, "all")),
            mosaic="last",
            masks={"v": _CLEAR} if masked else {},
        )
        headers: Headers = self._headers
        datasets = [one if one.instance_id == 2 else replace(one, mapping=mapping) for one in self._datasets]
        return make_plan(request, datasets, headers=headers)


@contextmanager
def _computed() -> Iterator[None]:
    with mock.patch.object(CubePlan, "is_filled", new=False):
        yield


def _made(engine: Engine, plan: CubePlan) -> Slice:
    (one,) = engine.run([(plan, 0)], at_once=1, keep=False, stop=never, observer=NOBODY)
    return one


def _peak(engine: Engine, plan: CubePlan) -> int:
    tracemalloc.start()
    try:
        _made(engine, plan)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _case(engine: Engine, plan: CubePlan, runs: int) -> dict[str, float]:
    filled = _made(engine, plan)
    with _computed():
        computed = _made(engine, plan)
    np.testing.assert_array_equal(filled.data[0], computed.data[0])
    np.testing.assert_array_equal(filled.valid[0], computed.valid[0])
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        begun = time.process_time()
        _made(engine, plan)
        times[0].append(time.process_time() - begun)
        with _computed():
            begun = time.process_time()
            _made(engine, plan)
            times[1].append(time.process_time() - begun)
    figures = {"filled": statistics.median(times[0]), "computed": statistics.median(times[1])}
    figures["filled_bytes"], figures["filled_told"] = _peak(engine, plan), plan.slice_bytes
    with _computed():
        figures["computed_bytes"] = _peak(engine, plan)
    return figures


def main(
    runs: Annotated[int, typer.Option(help="Timed runs of each way.", min=1)] = 5,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the figures.")] = None,
) -> None:
    """Measure slices that are filled beside the same ones computed."""
    engine = Engine(EngineSettings(threads=1))
    same, u16, f32 = ValueMapping(), DataFormat(dtype="uint16", nodata=0), DataFormat(dtype="float32", nodata=-1)
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        counts, real, bytes_ = (Archive(Path(folder), dtype) for dtype in ("uint16", "float32", "uint8"))
        cases: dict[str, tuple[Archive, DataFormat, ValueMapping, bool, bool]] = {
            "uint16, masked": (counts, u16, same, True, False),
            "uint16, masked, warped": (counts, u16, same, True, True),
            "uint16 mapped to float32": (counts, f32, _REFLECTANCE, False, False),
            "uint16 mapped to float32, masked": (counts, f32, _REFLECTANCE, True, False),
            "uint16 mapped to float32, masked, warped": (counts, f32, _REFLECTANCE, True, True),
            "uint8 to uint16, masked": (bytes_, u16, same, True, False),
            "float32 mapped to uint16": (real, u16, _REFLECTANCE, False, False),
            "float32 mapped to float32, masked": (real, f32, _REFLECTANCE, True, False),
        }
        for name, (archive, to, mapping, masked, warped) in cases.items():
            figures[name] = _case(engine, archive.plan(to, mapping=mapping, masked=masked, warped=warped), runs)
    table = Table("slice", "filled ms", "computed ms", "ratio", "MB", "of told", "MB computed", header_style="bold")
    for name, one in figures.items():
        table.add_row(
            name,
            f"{one['filled'] * 1e3:.0f}",
            f"{one['computed'] * 1e3:.0f}",
            f"{one['computed'] / one['filled']:.1f}",
            f"{one['filled_bytes'] / 1e6:.0f}",
            f"{one['filled_told'] / 1e6:.0f}",
            f"{one['computed_bytes'] / 1e6:.0f}",
        )
    Console().print(table)
    if json_file:
        json_file.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
