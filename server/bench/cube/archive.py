"""The images as others know them: STAC items for the peers, a catalogue for us. On a disk or behind a URL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from ingester.index import Options
from prismcube.errors import PrismcubeError
from prismcube.model.grid import CRS84, Grid, parse_crs
from server import operations
from server.bench.cube.cell import BAND, NAME, cell_grid, record_name
from server.bench.cube.cell import COLLECTION as CELL_COLLECTION
from server.bench.cube.scenes import BANDS, NODATA, ZONES, SceneFile, Size, scene_files, scene_grid
from server.bench.home import settings_of

COLLECTION = "bench"
"""All images; `bench-32` and `bench-31` are those of one zone."""


def instance(band: str) -> str:
    """Whose datasets all images of a band are."""
    return f"bench-{band}/made"


def location(base: str, one: SceneFile) -> str:
    """A path or URL; `base` is a folder or ends in a slash likewise."""
    return f"{base.rstrip('/')}/{one.name}"


def zone_collection(crs: str) -> str:
    return f"{COLLECTION}-{crs[-2:]}"


def stac_items(size: Size, base: str, *, tops: bool = False) -> list[dict[str, Any]]:
    """One item a date, or two where it comes in parts; with the properties that spare a reader the files' headers.

    With `tops`, of files that overlap only the one on top: one item a date.
    """
    by_item: dict[str, list[SceneFile]] = {}
    for one in scene_files(size):
        if one.is_top or not tops:
            by_item.setdefault(one.item, []).append(one)
    return [_item(size, base, files) for files in by_item.values()]


def _item(size: Size, base: str, files: list[SceneFile]) -> dict[str, Any]:
    first = files[0]
    return described(
        name=first.item,
        grid=scene_grid(size, first.crs),
        time=first.time,
        properties={"scene": first.item.removesuffix(first.part), "zone": first.crs[-2:]},
        hrefs={one.band: location(base, one) for one in files},
    )


def described(
    *, name: str, grid: Grid, time: datetime, properties: dict[str, str], hrefs: dict[str, str]
) -> dict[str, Any]:
    """A STAC item of files of one grid."""
    west, south, east, north = grid.bounds.to_crs(grid.crs, CRS84).as_tuple()
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    placed = {
        "proj:code": grid.crs,
        "proj:epsg": parse_crs(grid.crs).to_epsg(),
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform)[:6],
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": ["https://stac-extensions.github.io/projection/v1.1.0/schema.json"],
        "id": name,
        "collection": COLLECTION,
        "bbox": [west, south, east, north],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": time.isoformat().replace("+00:00", "Z"), **properties, **placed},
        "links": [],
        "assets": {
            band: {
                "href": href,
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["data"],
                **placed,
            }
            for band, href in hrefs.items()
        },
    }


def cell_items(size: Size, base: str) -> list[dict[str, Any]]:
    """One item a date of the consolidated file."""
    grid, times = cell_grid(size), dict.fromkeys(one.time for one in scene_files(size))
    return [
        described(
            name=record_name(time),
            grid=grid,
            time=time,
            properties={"scene": record_name(time), "zone": "cell", "page": str(number)},
            hrefs={BAND: f"{base.rstrip('/')}/{NAME}"},
        )
        for number, time in enumerate(times, start=1)
    ]


def catalogue(home: Path, size: Size, base: str, *, consolidated: bool = False, tops: bool = False) -> None:
    """Register the images, those on top, or the dates of the consolidated file, in a new catalogue.

    Raises PrismcubeError when one of them was not taken.
    """
    home.mkdir(parents=True)
    settings = settings_of(home)
    mapping, items = settings.home / "mapping.yml", settings.home / "items.json"
    features = cell_items(size, base) if consolidated else stac_items(size, base, tops=tops)
    mapping.write_text(yaml.safe_dump(_cell_mapping() if consolidated else _mapping()))
    items.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    failed: list[str] = []
    summary = operations.register(
        settings,
        [str(items)],
        mapping=mapping,
        collection=None,
        assets=(),
        options=Options(threads=4),
        progress=lambda outcome: failed.append(outcome.reason) if outcome.status.value == "failed" else None,
    )
    if summary.failed:
        raise PrismcubeError(f"{summary.failed} images were not registered: {failed[:3]}")


def _mapping() -> dict[str, Any]:
    fields = {band: {"instance": instance(band)} for band in BANDS}
    collections: dict[str, Any] = {COLLECTION: {"fields": fields}}
    for crs in ZONES:
        collections[zone_collection(crs)] = {"fields": fields, "record_tags": {"zone": crs[-2:]}}
    return _mapped(BANDS, collections)


def _cell_mapping() -> dict[str, Any]:
    fields = {BAND: {"instance": instance(BAND)}}
    return _mapped([BAND], {CELL_COLLECTION: {"fields": fields}}, subdir="GTIFF_DIR:{properties.page}")


def _mapped(bands: Sequence[str], collections: dict[str, Any], *, subdir: str = "") -> dict[str, Any]:
    return {
        "variables": {
            f"bench-{band}": {"bands": [band], "dtype": "uint16", "nodata": NODATA, "resampling": "bilinear"}
            for band in bands
        },
        "items": [
            {
                "record": "{properties.scene}",
                "tags": {"zone": "{properties.zone}"},
                "assets": [
                    {"key": band, "subdir": subdir, "datasets": [{"instance": instance(band), "bands": [1]}]}
                    for band in bands
                ],
            }
        ],
        "collections": collections,
    }
