"""What is asked of the images: the table of cases, and the bars that we hold ourselves to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from affine import Affine

from prismcube.model.grid import Grid, transformer
from server.bench.cube.archive import COLLECTION, zone_collection
from server.bench.cube.cell import BAND, cell_block, cell_grid
from server.bench.cube.cell import COLLECTION as CELL_COLLECTION
from server.bench.cube.scenes import BANDS, CENTRE_X, CENTRE_Y, PIXEL, ZONES, SceneFile, Size, scene_files, scene_grid

OURS = "Prismcube"
MERCATOR, MERCATOR_PIXEL = "EPSG:3857", 27.0
"""About as fine as the images: 27 m there are 19 m on the ground."""
LATENCY = 0.03
"""Seconds that the slow server waits before each answer."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One request: a cube of some dates on one grid."""

    collection: str
    """Of our catalogue."""
    files: tuple[SceneFile, ...]
    """All that it takes, by date, band and part."""
    bands: tuple[str, ...]
    grid: Grid
    resampling: Literal["nearest", "bilinear"]

    @property
    def dates(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(one.date for one in self.files))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(dates, bands, height, width)"""
        return len(self.dates), len(self.bands), *self.grid.shape

    def planes(self) -> dict[tuple[int, int], list[SceneFile]]:
        """The files of each plane of the cube, the one on top last; by (position of the date, of the band)."""
        found: dict[tuple[int, int], list[SceneFile]] = {}
        for one in self.files:
            found.setdefault((self.dates.index(one.date), self.bands.index(one.band)), []).append(one)
        return found


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is timed as one."""

    name: str
    title: str
    parts: tuple[Part, ...]
    """Requests, one after the other."""
    source: Literal["disk", "http"] = "disk"
    threads: int = 2
    """Of each peer; ours has a thread a core for the CPU, and its own for remote reading."""
    is_point: bool = False
    is_consolidated: bool = False
    """Whether we read the consolidated file; peers read the images, as always."""
    is_of_tops: bool = False
    """Whether our catalogue has only the files on top: it places a file by its whole grid, though half be empty."""
    peers: tuple[str, ...] = ()
    """Whom it is for; empty: all."""
    bars: Mapping[str, float] = field(default_factory=dict)
    """By engine: how many times faster we mean to be."""
    limit_bar: float | None = None
    """Share of the limit (see `limits`) that we mean to reach."""
    seconds_bar: float | None = None
    """At most so long."""
    requests_bar: int | None = None
    """Requests for pixels that we mean to make at most, and none for a header."""
    one_request_a_date: bool = False
    """Whether we mean to make just one for pixels of each date, and none for a header."""

    @property
    def dates(self) -> int:
        """Of all parts."""
        return sum(len(part.dates) for part in self.parts)

    @property
    def output_bytes(self) -> int:
        size = 0
        for part in self.parts:
            dates, bands, height, width = part.shape
            size += dates * bands * height * width * 2
        return size

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "source": self.source,
            "threads": self.threads,
            "consolidated": self.is_consolidated,
            "shapes": [list(part.shape) for part in self.parts],
            "grids": [part.grid.to_json() for part in self.parts],
            "files": sum(len(part.files) for part in self.parts),
            "output_bytes": self.output_bytes,
            "bars": dict(self.bars),
            "limit_bar": self.limit_bar,
            "seconds_bar": self.seconds_bar,
            "requests_bar": self.requests_bar,
            "one_request_a_date": self.one_request_a_date,
        }


def cases(size: Size) -> tuple[Case, ...]:
    """Every case; those of the consolidated file at the end."""
    window, large, dates = size.window, size.large, size.dates
    small_title, large_title = f"{window}²×{dates}", f"{large}²×{size.large_dates * len(BANDS)}"
    mixed = (_window(size),)
    usual = {"odc-stac": 4.0, "WarpedVRT": 3.5}
    return (
        Case(
            name="same-grid",
            title=f"{small_title}, each zone on its own grid",
            parts=tuple(_window(size, crs=crs, of_zone=True) for crs in ZONES),
            limit_bar=0.8,  # beside others there is none: all inflate the same blocks, and most do no more
        ),
        Case(
            name="mixed", title=f"{small_title}, zones 31 and 32 on 32's grid", parts=mixed, bars=usual, limit_bar=0.8
        ),
        Case(
            name="mercator",
            title=f"{large_title} to EPSG:3857 at 27 m",
            parts=(_large(size, mercator=True),),
            bars=usual,
            limit_bar=0.8,
        ),
        Case(
            name="utm",
            title=f"{large_title}, zones 31 and 32 to 32 at 20 m",
            parts=(_large(size, mercator=False),),
            bars={"odc-stac": 5.0},
            limit_bar=0.8,
        ),
        Case(
            name="overview",
            title=f"{small_title}, the whole scene",
            parts=(_overview(size),),
            bars={"odc-stac": 5.0},
            limit_bar=0.5,
        ),
        Case(name="point", title=f"one pixel ×{dates}", parts=(_point(size),), is_point=True),
        Case(
            name="http-mixed",
            title=f"{small_title}, zones 31 and 32, HTTP with {1e3 * LATENCY:.0f} ms a request",
            parts=mixed,
            source="http",
            threads=16,
            bars={"WarpedVRT": 2.5},
        ),
        Case(
            name="http-point",
            title=f"one pixel ×{dates}, HTTP with {1e3 * LATENCY:.0f} ms a request",
            parts=(_point_of_tops(size),),
            source="http",
            threads=16,
            is_point=True,
            seconds_bar=0.1,
            is_of_tops=True,
            one_request_a_date=True,
        ),
        Case(
            name="http-point-overlap",
            title=f"one pixel ×{dates} where files overlap, HTTP with {1e3 * LATENCY:.0f} ms a request",
            parts=(_point(size),),
            source="http",
            threads=16,
            is_point=True,
            seconds_bar=0.1,
            requests_bar=len(_point(size).files),
        ),
        *_consolidated(size),
    )


def _consolidated(size: Size) -> tuple[Case, ...]:
    cube, point = _of_cell(_window(size)), _of_cell(_point(size))
    first, last = ((at // cell_block(size)) for at in _rows_in_cell(size, cube))
    cube_title, point_title = f"{size.window}²×{size.dates}, consolidated", f"one pixel ×{size.dates}, consolidated"
    slowly = f"HTTP with {1e3 * LATENCY:.0f} ms a request"
    http: dict[str, Any] = {"source": "http", "threads": 16, "is_consolidated": True, "peers": ("WarpedVRT",)}
    return (
        Case(name="mucog-cube", title=cube_title, parts=(cube,), is_consolidated=True, bars={"odc-stac": 20.0}),
        Case(
            name="mucog-point",
            title=point_title,
            parts=(point,),
            is_point=True,
            is_consolidated=True,
            bars={"WarpedVRT": 10.0},
        ),
        Case(
            name="http-mucog-cube",
            title=f"{cube_title}, {slowly}",
            parts=(cube,),
            requests_bar=(last - first + 1) ** 2,
            **http,
        ),
        Case(
            name="http-mucog-point",
            title=f"{point_title}, {slowly}",
            parts=(point,),
            is_point=True,
            requests_bar=1,
            **http,
        ),
    )


def _of_cell(part: Part) -> Part:
    return replace(part, collection=CELL_COLLECTION, resampling="bilinear")  # as the dates of the cell were warped


def _rows_in_cell(size: Size, part: Part) -> tuple[int, int]:
    """First and last row of the cell that a part needs; of columns it is the same."""
    offset = cell_grid(size).pixel_offset(part.grid)
    if offset is None or offset[0] != offset[1] or part.bands != (BAND,):
        raise ValueError("the small cube is no square on the pixels of the cell")
    return offset[0], offset[0] + part.grid.height - 1


def _files(size: Size, *, bands: tuple[str, ...], dates: int | None = None, crs: str = "") -> tuple[SceneFile, ...]:
    return tuple(
        one
        for one in scene_files(size)
        if one.band in bands and (dates is None or one.date < dates) and (not crs or one.crs == crs)
    )


def _window(size: Size, *, crs: str = ZONES[0], of_zone: bool = False) -> Part:
    """A window near the middle that begins within a block."""
    start = int(size.pixels * 0.4534)
    return Part(
        collection=zone_collection(crs) if of_zone else COLLECTION,
        files=_files(size, bands=BANDS[:1], crs=crs if of_zone else ""),
        bands=BANDS[:1],
        grid=scene_grid(size, crs).shifted(start, start, height=size.window, width=size.window),
        resampling="bilinear",
    )


def _large(size: Size, *, mercator: bool) -> Part:
    side = size.large
    start = (size.pixels - side) // 2
    grid = scene_grid(size, ZONES[0]).shifted(start, start, height=side, width=side)
    if mercator:
        x, y = transformer(ZONES[0], MERCATOR).transform(CENTRE_X[ZONES[0]], CENTRE_Y)
        half = MERCATOR_PIXEL * side / 2
        grid = Grid(MERCATOR, Affine(MERCATOR_PIXEL, 0, x - half, 0, -MERCATOR_PIXEL, y + half), side, side)
    files = _files(size, bands=BANDS, dates=size.large_dates)
    return Part(collection=COLLECTION, files=files, bands=BANDS, grid=grid, resampling="bilinear")


def _overview(size: Size) -> Part:
    whole = scene_grid(size, ZONES[0])
    side = size.window  # a pixel is 10.7 of the images wide, between overviews 8 and 16
    pixel = PIXEL * size.pixels / side
    grid = Grid(whole.crs, Affine(pixel, 0, whole.transform.c, 0, -pixel, whole.transform.f), side, side)
    files = _files(size, bands=BANDS[:1])
    return Part(collection=COLLECTION, files=files, bands=BANDS[:1], grid=grid, resampling="bilinear")


def _point(size: Size, *, col: float = 0.57) -> Part:
    """A pixel of the strip where files overlap, unless it lies at another share of a row."""
    grid = scene_grid(size, ZONES[0]).shifted(int(size.pixels * 0.41), int(size.pixels * col), height=1, width=1)
    files = _files(size, bands=BANDS[:1])
    return Part(collection=COLLECTION, files=files, bands=BANDS[:1], grid=grid, resampling="nearest")


def _point_of_tops(size: Size) -> Part:
    """A pixel that one file of each date covers."""
    point = _point(size, col=0.7)
    return replace(point, files=tuple(one for one in point.files if one.is_top))
