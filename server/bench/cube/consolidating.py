"""Makes the consolidated file once: warped by the judge, date by date, and written by our own writer.

consolidate(folder, size, planes) ─ a draft a date ─ write_mucog
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from prismcube.model.formats import DataFormat
from prismcube.raster.geokeys import georeference
from prismcube.tiff.draft import writing_draft
from prismcube.tiff.image import Image
from prismcube.tiff.mucog import write_mucog
from server.bench.cube.cases import Part
from server.bench.cube.cell import BAND, COLLECTION, NAME, cell_block, cell_grid, record_name
from server.bench.cube.engines import Cube
from server.bench.cube.scenes import NODATA, SceneFile, Size, scene_files
from server.bench.progress import Progress

VERSION = 1
"""Of what is made here: files of another are made anew."""


def consolidate(
    folder: Path,
    size: Size,
    planes: Callable[[Part], Cube],
    *,
    progress: Progress,
) -> Path:
    """The file below the folder of the images; kept when it is there and of the same images.

    `planes` makes the pixels of a date.
    """
    path = folder / NAME
    recipe = json.dumps({"version": VERSION, "images": (folder / "recipe.json").read_text(), "large": size.large})
    told = path.with_suffix(".json")
    if path.exists() and told.exists() and told.read_text() == recipe:
        return path
    path.parent.mkdir(exist_ok=True)
    by_date: dict[int, list[SceneFile]] = {}
    for one in scene_files(size):
        if one.band == BAND:
            by_date.setdefault(one.date, []).append(one)
    what = f"consolidated dates, kept in {path.parent}"
    progress(what, len(by_date), 0)
    with tempfile.TemporaryDirectory(dir=path.parent) as inside:
        drafts = []
        for date, files in by_date.items():
            part = Part(
                collection=COLLECTION, files=tuple(files), bands=(BAND,), grid=cell_grid(size), resampling="bilinear"
            )
            drafts.append(Path(inside) / f"{date}.draft")
            with writing_draft(drafts[-1], _image(size, files[0])) as draft:
                draft.write(planes(part)[0, 0])
            progress(what, None, 1)
        write_mucog(path, drafts)
    told.write_text(recipe)
    return path


def _image(size: Size, one: SceneFile) -> Image:
    grid, block = cell_grid(size), cell_block(size)
    return Image(
        height=grid.height,
        width=grid.width,
        format=DataFormat(dtype="uint16", nodata=NODATA),
        block_height=block,
        block_width=block,
        georeference=georeference(grid.crs, grid.transform),
        name=record_name(one.time),
        time=one.time,
    )
