"""What grids, and the layouts of files cut along them, look like as JSON; see documents.py."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from prismcube.catalogue.grids import StoredGrid
from prismcube.model.layout import MAX_CELL, MUCOG
from providers.catalogue.documents import Document
from providers.catalogue.texts import Slug, Text


class RegularGrid(Document):
    """Cells of equal size in one CRS."""

    kind: Literal["regular"]
    crs: str
    resolution: Annotated[float, Field(gt=0)]
    cell_width: Annotated[int, Field(ge=1)]
    """Pixels."""
    cell_height: Annotated[int, Field(ge=1)]
    origin_x: float = 0.0
    origin_y: float = 0.0
    columns: int | None = None
    rows: int | None = None


class SingleCell(Document):
    """One cell around all data."""

    kind: Literal["single-cell"]
    crs: str
    resolution: Annotated[float, Field(gt=0)]


class SubGrid(Document):
    """Cuts each cell of a custom grid into equal ones."""

    cell_width: Annotated[int, Field(ge=1)]
    cell_height: Annotated[int, Field(ge=1)]
    origin_x: float = 0.0
    origin_y: float = 0.0


class CustomGrid(Document):
    """The cells of a grid of the catalogue, each in its own CRS."""

    kind: Literal["custom"]
    name: Slug
    resolution: Annotated[float, Field(gt=0)]
    sub_grid: SubGrid | None = None


Block = Annotated[int, Field(json_schema_extra={"minimum": 16, "maximum": MAX_CELL, "multipleOf": 16})]
"""Pixels along a side of a block."""


class Layout(Document):
    """How consolidated files are cut and written. Stays as it is once files are written in it."""

    name: Slug
    grid: Annotated[RegularGrid | SingleCell | CustomGrid, Field(discriminator="kind")]
    max_records: Annotated[int, Field(ge=1, json_schema_extra={"maximum": 2**31 - 1})]
    """In one file."""
    block_width: Block = 256
    block_height: Block = 256
    overviews_min_size: Annotated[int, Field(ge=-1, json_schema_extra={"maximum": MAX_CELL})] = -1
    """Longer side of the smallest overview in pixels; 0: none, -1: 256."""
    interlacing_pattern: str = MUCOG


class Cells(Document):
    """A GeoJSON feature collection; each feature is a cell, or a part of one that shares its id."""

    type: Literal["FeatureCollection"]
    features: list[dict[str, Any]]


class Grid(Document):
    """Cells by name, such as MGRS, each with its own CRS."""

    name: Slug
    description: Text = ""
    cells: Cells | None = None
    """Given when the grid is made; they never change."""
    id_property: str = "id"
    """Property of the features that names the cell."""
    crs_property: str | None = "crs"
    """Property with the EPSG number or CRS of the cell; null: the UTM zone is in the name, as in MGRS."""
    snap: Annotated[float, Field(gt=0)] | None = None
    """Each cell is a box of its CRS with corners at multiples of this many units, found from its vertices."""

    @staticmethod
    def of(one: StoredGrid) -> dict[str, Any]:
        return {"name": one.name, "description": one.description}
