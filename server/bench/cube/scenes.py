"""The images: a made-up Sentinel-2 archive where two UTM zones meet, as cloud optimised GeoTIFFs.

Each date has one scene of 20 m pixels around the same place: even dates in zone 32 north, odd dates in zone 31 north.
Every fourth scene comes as two files that overlap, cut along a slanted line. Clouds, up to 45 % of a scene, are nodata.
Files are made once and kept; all numbers come from one seed.

    make(folder, size) ─ texture (one for all) ─ a process a core ─ scene ─ parts ─ GDAL's COG driver
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.io import MemoryFile
from rasterio.shutil import copy as gdal_copy

from prismcube.model.grid import Grid
from server.bench.progress import Progress

SEED = 20_200_101
VERSION = 1
"""Of this generator: files of another are made anew."""

PIXEL = 20.0
"""Metres."""
CENTRE_Y = 5_045_100.0
CENTRE_X = {"EPSG:32632": 263_580.0, "EPSG:32631": 736_420.0}
"""Near six degrees east, where the zones meet: 5 km apart, and turned by four degrees to each other."""
ZONES = ("EPSG:32632", "EPSG:32631")
"""Of even and of odd dates."""
T0 = datetime(2020, 1, 1, 10, 30, tzinfo=UTC)
EVERY = timedelta(days=5)
SPLIT = 4
"""One date in so many comes as two files."""
CLOUDS = 0.45
"""Largest share of a scene."""
BANDS = ("B04", "B03", "B8A")
NODATA = 0
NOISE = 70
"""Counts: so much that deflate shrinks the files to about half, as it does real ones."""

Pixels = npt.NDArray[np.uint16]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large the images are, and how large a part is asked for."""

    name: str
    pixels: int
    """A side of a scene."""
    block: int
    """A side of a block of the files."""
    dates: int
    colour_dates: int
    """The first so many dates have all of `BANDS`, the others B04 only."""
    window: int
    """A side of the small cube."""
    large: int
    """A side of the large cube."""
    large_dates: int
    """Dates of the large cube."""
    runs: int
    """Timed runs of each engine and case."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


SIZES = {
    "small": Size(
        name="small", pixels=1098, block=128, dates=8, colour_dates=4, window=102, large=410, large_dates=4, runs=1
    ),
    "full": Size(
        name="full", pixels=5490, block=512, dates=40, colour_dates=12, window=512, large=2048, large_dates=10, runs=5
    ),
}  # fmt: skip


@dataclass(frozen=True)
class SceneFile:
    """One band of one date, or one of its two parts."""

    date: int
    """Number of the date, from 0."""
    band: str
    part: str
    """Empty, or `a` or `b`; `b` lies on top where both have pixels, though they have the same there."""

    @property
    def is_top(self) -> bool:
        """Whether no other of its date lies over it."""
        return self.part != "a"

    @property
    def crs(self) -> str:
        return ZONES[self.date % len(ZONES)]

    @property
    def time(self) -> datetime:
        return T0 + self.date * EVERY

    @property
    def item(self) -> str:
        """Its date, and part."""
        return f"S2_{self.time:%Y%m%d}_{self.crs[-2:]}N{self.part}"

    @property
    def name(self) -> str:
        return f"{self.item}_{self.band}.tif"


def scene_files(size: Size) -> list[SceneFile]:
    """All files, by date, band and part."""
    return [
        SceneFile(date, band, part)
        for date in range(size.dates)
        for band in (BANDS if date < size.colour_dates else BANDS[:1])
        for part in (("a", "b") if date % SPLIT == SPLIT - 1 else ("",))
    ]


def scene_grid(size: Size, crs: str) -> Grid:
    """Where the scenes of a zone lie."""
    half = PIXEL * size.pixels / 2
    return Grid(crs, Affine(PIXEL, 0, CENTRE_X[crs] - half, 0, -PIXEL, CENTRE_Y + half), size.pixels, size.pixels)


def make(folder: Path, size: Size, start: BaseContext, *, progress: Progress) -> Path:
    """The folder with the images of a size, under `folder`; those that are there already are kept."""
    place = folder / f"cube-{size.name}"
    keep_only(place, {"version": VERSION, "seed": SEED, "noise": NOISE, "pixels": size.pixels, "block": size.block})
    by_scene: dict[tuple[int, str], list[SceneFile]] = {}
    for one in scene_files(size):
        if not (place / one.name).exists():
            by_scene.setdefault((one.date, one.band), []).append(one)
    wanted = [partial(_make_scene, place, size, parts) for parts in by_scene.values()]
    make_scenes(place, size.pixels, wanted, start, files=sum(map(len, by_scene.values())), progress=progress)
    return place


def keep_only(place: Path, recipe: Mapping[str, Any]) -> None:
    """A folder of images of this recipe: those of another are removed."""
    place.mkdir(parents=True, exist_ok=True)
    wanted, told = json.dumps(recipe), place / "recipe.json"
    if not told.exists() or told.read_text() != wanted:
        for old in place.glob("*.tif"):
            old.unlink()
        told.write_text(wanted)


def make_scenes(
    place: Path,
    pixels: int,
    wanted: Sequence[Callable[[Pixels], int]],
    start: BaseContext,
    *,
    files: int,
    progress: Progress,
) -> None:
    """Call each in a process: given a texture with so many pixels a side, it writes files, and tells how many."""
    if not wanted:
        return
    told = f"images, kept in {place}"
    progress(told, files, 0)
    texture = place / "texture.npy"
    np.save(texture, made_texture(pixels))
    with ProcessPoolExecutor(os.cpu_count() or 1, mp_context=start) as pool:
        for made in as_completed([pool.submit(_with_texture, texture, one) for one in wanted]):
            progress(told, None, made.result())
    texture.unlink()


def _with_texture(texture: Path, make_scene: Callable[[Pixels], int]) -> int:
    return make_scene(np.load(texture, mmap_mode="r"))


def _make_scene(place: Path, size: Size, files: Sequence[SceneFile], texture: Pixels) -> int:
    """Write the files of one band of one date; how many."""
    first = files[0]
    band = BANDS.index(first.band)
    of_date, of_band = np.random.default_rng([SEED, first.date]), np.random.default_rng([SEED, first.date, band])
    scene = made_scene(texture, of_band)
    scene[made_clouds(size.pixels, of_date)] = NODATA  # the same clouds in all bands
    for one in files:
        write_image(place / one.name, _part(scene, one.part), block=size.block, grid=scene_grid(size, one.crs))
    return len(files)


def made_texture(pixels: int) -> Pixels:
    """Fields, woods and towns, so to say: smooth patches of several sizes, and noise."""
    rng = np.random.default_rng(SEED)
    land = np.zeros((pixels, pixels), np.float32)
    for cells, height in ((8, 1500), (40, 800), (200, 500), (1000, 300)):
        land += _smooth(pixels, min(cells, pixels // 4), rng) * np.float32(height)
    noise = rng.integers(0, NOISE, land.shape, np.uint16) + rng.integers(0, NOISE, land.shape, np.uint16)
    return np.asarray(land.astype(np.uint16) + noise)


def made_scene(texture: Pixels, rng: np.random.Generator) -> Pixels:
    """The texture, moved and brightened; all values lie between 300 and 8,000."""
    down, right = (int(one) for one in rng.integers(0, len(texture), 2))
    light = int(rng.integers(300, 1500))
    moved = np.concatenate([texture[down:], texture[:down]])
    return np.concatenate([moved[:, right:], moved[:, :right]], axis=1) + np.uint16(light)


def made_clouds(pixels: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Where they are: in each scene another share, up to `CLOUDS`."""
    coarse = _smooth(-(-pixels // 4), 12, rng)
    cloudy = coarse < np.quantile(coarse, rng.uniform(0, CLOUDS))
    return np.repeat(np.repeat(cloudy, 4, axis=0), 4, axis=1)[:pixels, :pixels]


def _smooth(pixels: int, cells: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Random numbers of [0, 1) at the corners of cells, and straight lines between."""
    coarse = rng.random((cells + 1, cells + 1), np.float32)
    at = np.linspace(0, cells, pixels, endpoint=False, dtype=np.float32)
    cell = np.minimum(at.astype(np.intp), cells - 1)
    part = at - cell.astype(np.float32)
    rows = coarse[cell] * (1 - part)[:, None] + coarse[cell + 1] * part[:, None]
    return np.asarray(rows[:, cell] * (1 - part) + rows[:, cell + 1] * part)


def _part(scene: Pixels, part: str) -> Pixels:
    """What of a scene is in a part; they share a slanted strip, a tenth of the scene wide."""
    if not part:
        return scene
    side = scene.shape[0]
    rows, cols = np.ogrid[:side, :side]
    across = (cols + 0.3 * (rows - side / 2)) / side
    return np.where(across < 0.55 if part == "a" else across >= 0.45, scene, np.uint16(NODATA))


def write_image(path: Path, pixels: Pixels, *, block: int, grid: Grid) -> None:
    """A cloud optimised GeoTIFF with overviews, by GDAL's driver (deflate, predictor 2)."""
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": grid.width, "height": grid.height, "count": 1, "dtype": "uint16",
        "crs": grid.crs, "transform": grid.transform, "nodata": NODATA,
    }  # fmt: skip
    how: dict[str, Any] = {
        "compress": "DEFLATE", "predictor": "YES", "blocksize": block, "overview_resampling": "AVERAGE",
    }  # fmt: skip
    new = path.with_suffix(".part")
    with rasterio.Env(GDAL_NUM_THREADS="1"), MemoryFile() as memory:
        with memory.open(**profile) as staged:
            staged.write(pixels, 1)
        gdal_copy(memory.name, str(new), driver="COG", **how)
    new.replace(path)
