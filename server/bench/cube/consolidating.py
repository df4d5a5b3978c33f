"""Makes the consolidated file once, as a user does: images are registered, and a job consolidates them.

All of them: one cell of the layout is that of the cases, whose file is kept.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import rasterio

from prismcube.catalogue import Catalogue
from prismcube.errors import PrismcubeError
from prismcube.model.grid import Grid
from prismcube.storage.uri import canonical_uri
from server.bench.consolidation import LOSSLESS, consolidated, executing, put_layout
from server.bench.cube.archive import catalogue, instance
from server.bench.cube.cell import BAND, NAME, cell_block, cell_grid
from server.bench.cube.scenes import Size
from server.bench.home import settings_of
from server.bench.progress import Progress
from server.jobs.runtime import open_ledger

VERSION = 2
"""Of what is made here: files of another are made anew."""

LAYOUT = "bench-cell"


def consolidate(folder: Path, size: Size, *, progress: Progress) -> Path:
    """The file below the folder of the images; kept when it is there and of the same images.

    Raises PrismcubeError when the job fails.
    """
    path = folder / NAME
    recipe = json.dumps({"version": VERSION, "images": (folder / "recipe.json").read_text(), "large": size.large})
    told = path.with_suffix(".json")
    if path.exists() and told.exists() and told.read_text() == recipe:
        return path
    path.parent.mkdir(exist_ok=True)
    what = f"consolidated file, kept in {path.parent}"
    progress(what, 1, 0)
    with tempfile.TemporaryDirectory(dir=path.parent) as inside:
        _made(Path(inside) / "home", folder, size).replace(path)
    told.write_text(recipe)
    progress(what, None, 1)
    return path


def _made(home: Path, folder: Path, size: Size) -> Path:
    """By a job of a new home folder, which the file lies in."""
    catalogue(home, size, str(folder))
    settings = settings_of(home)
    put_layout(settings, LAYOUT, cell_grid(size), dates=size.dates, block=cell_block(size))
    wanted = {"instances": [instance(BAND)], "layout": LAYOUT, "consolidation": LOSSLESS}
    with executing(settings, home):
        ours = Catalogue(settings.catalogue_url, managed=canonical_uri(settings.managed))
        try:
            consolidated(settings, ours, open_ledger(settings, ours), wanted)
        finally:
            ours.close()
    files = [path for path in Path(settings.managed).rglob("*.tif") if _is_cell(path, cell_grid(size))]
    if len(files) != 1:
        raise PrismcubeError(f"a cell was consolidated to {len(files)} files")
    return files[0]


def _is_cell(path: Path, cell: Grid) -> bool:
    with rasterio.open(path) as file:
        return bool(file.crs == cell.crs and file.transform.almost_equals(cell.transform))
