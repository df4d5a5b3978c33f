"""`python -m benchmarks.writers [--runs N] [--json FILE]`: writing COGs and MUCOGs beside GDAL's COG driver.

Six dates of 2048 × 2048 uint16 (waves, fields, noise; deflate halves them about), 256 blocks, overviews, two threads;
interleaved runs, to new files. The figures are MB of raw pixels a second: of wall time, and of CPU time, which a busy
machine distorts less. Every file is checked once against what was given.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import rasterio
import rasterio.shutil
import typer
from rich.console import Console
from rich.table import Table

from prismcube.model.formats import DataFormat
from prismcube.raster.geokeys import georeference
from prismcube.tiff.cog import writing_cog
from prismcube.tiff.draft import writing_draft
from prismcube.tiff.image import Image
from prismcube.tiff.mucog import write_mucog

SIDE, DATES, THREADS = 2048, 6, 2
_PLACE = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)


def plane(seed: int) -> np.ndarray[Any, Any]:
    """A date: smooth waves, fields of 8 × 8 pixels, noise of a few counts, a corner without data."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    fields = np.kron(random.normal(0, 120, (SIDE // 8, SIDE // 8)), np.ones((8, 8)))
    pixels = 1500 + 600 * np.sin(x / 97 + seed) + 500 * np.cos(y / 131) + fields + random.normal(0, 8, (SIDE, SIDE))
    pixels[:200, :300] = 0
    return np.clip(pixels, 0, 10_000).astype(np.uint16)


class Writers:
    """Each way of writing the same planes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._planes = [plane(seed) for seed in range(DATES)]
        self.megabytes = sum(one.nbytes for one in self._planes) / 1e6

    def cogs_in_turn(self, codec: str, level: int) -> None:
        """One COG after the other, the blocks of each in parallel."""
        with ThreadPoolExecutor(THREADS) as pool:
            for number, pixels in enumerate(self._planes):
                with writing_cog(self._path("ours", number), _image(codec, level), pool=pool, sync=False) as draft:
                    draft.write(pixels)

    def cogs(self, codec: str, level: int) -> None:
        """A COG a thread."""

        def write(number: int) -> None:
            with writing_cog(self._path("ours", number), _image(codec, level), sync=False) as draft:
                draft.write(self._planes[number])

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(write, range(DATES)))

    def mucog(self, codec: str, level: int) -> None:
        """A draft a thread, then one file of all."""

        def write(number: int) -> Path:
            with writing_draft(self._path("draft", number), _image(codec, level)) as draft:
                draft.write(self._planes[number])
            return self._path("draft", number)

        with ThreadPoolExecutor(THREADS) as pool:
            drafts = list(pool.map(write, range(DATES)))
        write_mucog(self._folder / "mucog.tif", drafts, sync=False)

    def gdal(self, codec: str, level: int) -> None:
        """GDAL's COG driver with as many threads, from a dataset in memory."""
        about = {"driver": "MEM", "width": SIDE, "height": SIDE, "count": 1, "dtype": "uint16", "nodata": 0}
        for number, pixels in enumerate(self._planes):
            with rasterio.open("", "w+", crs="EPSG:32632", transform=_PLACE, **about) as file:
                file.write(pixels, 1)
                rasterio.shutil.copy(
                    file,
                    self._path("gdal", number),
                    driver="COG",
                    compress=codec,
                    level=level,
                    predictor="yes",
                    blocksize=256,
                    overview_resampling="average",
                    num_threads=THREADS,
                )

    def clear(self) -> None:
        """Remove all files: the next ones are new, as an archive's are, and nobody's time holds another's removal."""
        for one in self._folder.iterdir():
            one.unlink()

    def check(self) -> None:
        """What was written last holds the planes."""
        for number, pixels in enumerate(self._planes):
            names = [self._path("ours", number), self._path("gdal", number)]
            for name in (*map(str, names), f"GTIFF_DIR:{number + 1}:{self._folder / 'mucog.tif'}"):
                with rasterio.open(name) as file:
                    np.testing.assert_array_equal(file.read(1), pixels)

    def _path(self, kind: str, number: int) -> Path:
        return self._folder / f"{kind}-{number}.tif"


def _image(codec: Any, level: int) -> Image:
    format = DataFormat(dtype="uint16", nodata=0)
    place = georeference("EPSG:32632", _PLACE)
    return Image(height=SIDE, width=SIDE, format=format, georeference=place, codec=codec, level=level)


def main(
    runs: Annotated[int, typer.Option(help="Timed runs of each way.", min=1)] = 7,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the figures.")] = None,
) -> None:
    """Measure our writers beside GDAL's."""
    with tempfile.TemporaryDirectory() as folder:
        writers = Writers(Path(folder))
        ways: dict[str, Callable[[], None]] = {
            "COGs, one after the other, zstd 1": lambda: writers.cogs_in_turn("zstd", 1),
            "COGs, one a thread, zstd 1": lambda: writers.cogs("zstd", 1),
            "MUCOG, zstd 1": lambda: writers.mucog("zstd", 1),
            "GDAL's COGs, zstd 1": lambda: writers.gdal("zstd", 1),
            "COGs, one a thread, deflate 6": lambda: writers.cogs("deflate", 6),
            "GDAL's COGs, deflate 6": lambda: writers.gdal("deflate", 6),
        }
        for way in ways.values():  # compiles, fills caches
            way()
        writers.check()
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(runs):
            for name, way in ways.items():
                writers.clear()
                wall, cpu = time.perf_counter(), time.process_time()
                way()
                found[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    figures = {
        name: [writers.megabytes / statistics.median(column) for column in zip(*times, strict=True)]
        for name, times in found.items()
    }
    table = Table("what", "MB/s", "MB per CPU second", header_style="bold")
    for name, (wall, cpu) in figures.items():
        table.add_row(name, f"{wall:.0f}", f"{cpu:.0f}")
    Console().print(table)
    if json_file:
        json_file.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
