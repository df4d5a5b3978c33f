"""Grids of cells that are known by name, such as MGRS: each cell has its own CRS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any

from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, func, insert, select, true

from prismcube.catalogue.bulk import CHUNK
from prismcube.catalogue.filters import fits
from prismcube.catalogue.repository import Key, Repository
from prismcube.catalogue.spatial import cell_intersects
from prismcube.catalogue.tables import cell, grid, layout
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.cells import Cell, tiles
from prismcube.model.checks import check_slug
from prismcube.model.custom_cells import CustomCell
from prismcube.model.grid import Bounds
from prismcube.model.layout import CustomGrid, GridSpec
from prismcube.model.pattern import Pattern
from prismcube.model.text import check_text

MOST_CELLS = 200_000
"""Of a grid that an area touches; MGRS has 57,000 in all."""


@dataclass(frozen=True, kw_only=True)
class StoredGrid:
    """A grid without its cells, which may be many."""

    name: str
    description: str = ""
    cells: int = 0
    """How many."""
    id: int | None = None

    def __post_init__(self) -> None:
        check_slug("grid.name", self.name)
        check_text("grid.description", self.description)


class Grids(Repository[StoredGrid]):
    """The repository of grids."""

    kind = "grid"
    table = grid
    select = select(grid)
    order = ("name",)

    def get(self, name: str) -> StoredGrid:
        """Raises NotFound."""
        with self._session.read() as connection:
            row = connection.execute(self.select.where(grid.c.name == name)).one_or_none()
        if row is None:
            raise NotFound("grid", name)
        return self._entity(row)

    def list(self, *, name: Pattern | None = None, after: Key | None = None, limit: int = 100) -> list[StoredGrid]:
        """By name."""
        with self._session.read() as connection:
            where = [] if name is None else [fits(grid.c.name, name)]
            return self._page(connection, *where, after=after, limit=limit)

    def create(self, wanted: StoredGrid, cells: Iterable[CustomCell]) -> StoredGrid:
        """Store a grid with its cells, which are taken as they come.

        Raises Conflict, with the id, when the name is taken; InvalidInput for two cells of one name or none at all.
        """
        with self._session.write() as connection:
            known = connection.scalar(select(grid.c.id).where(grid.c.name == wanted.name))
            if known is not None:
                raise Conflict("grid", known, f"is named {wanted.name!r} already")
            new = insert(grid).values(name=wanted.name, document=_document(wanted, 0)).returning(grid.c.id)
            id = connection.execute(new).scalar_one()
            number = _insert_cells(connection, id, cells)
            document = _document(wanted, number)
            connection.execute(grid.update().where(grid.c.id == id).values(document=document))
        return StoredGrid(name=wanted.name, description=wanted.description, cells=number, id=id)

    def update(self, wanted: StoredGrid) -> StoredGrid:
        """Change the name or description of the grid of that id; its cells stay.

        Raises NotFound, and Conflict when the name is taken or layouts use the old one.
        """
        with self._session.write() as connection:
            stored = self._one(connection, wanted.id or 0)
            known = connection.scalar(select(grid.c.id).where(grid.c.name == wanted.name))
            if known not in (None, wanted.id):
                raise Conflict("grid", known, f"is named {wanted.name!r} already")
            if stored.name != wanted.name:
                used = connection.scalar(select(func.count()).where(layout.c.grid_id == wanted.id))
                if used:
                    raise Conflict("grid", wanted.id, f"{used} layout(s) name it {stored.name!r}")
            values = {"name": wanted.name, "document": _document(wanted, stored.cells)}
            connection.execute(grid.update().where(grid.c.id == wanted.id).values(values))
        return StoredGrid(name=wanted.name, description=wanted.description, cells=stored.cells, id=wanted.id)

    def cells(
        self, name: str, *, area: BaseGeometry | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[CustomCell]:
        """Cells of a grid by their name, those that touch an area in longitude and latitude. Raises NotFound."""
        id = self.get(name).id
        page = (
            select(cell)
            .where(cell.c.grid_id == id, cell.c.name > after, true() if area is None else cell_intersects(area))
            .order_by(cell.c.name)
            .limit(limit)
        )
        with self._session.read() as connection:
            return [_cell(row) for row in connection.execute(page)]

    def tiles(self, spec: GridSpec, area: BaseGeometry, *, limit: int) -> Iterator[Cell]:
        """The tiles of a layout's grid that an area in longitude and latitude touches, each once, as they are made.

        Raises NotFound for an unknown grid, InvalidInput before the first tile when there are more than `limit`.
        """
        cells: Sequence[CustomCell] = ()
        if isinstance(spec, CustomGrid):
            cells = self.cells(spec.name, area=area, limit=MOST_CELLS)
        return tiles(spec, area, cells=cells, limit=limit)

    @staticmethod
    def _entity(row: Any) -> StoredGrid:
        return StoredGrid(
            name=row.name, description=row.document["description"], cells=row.document["cells"], id=row.id
        )


def _document(one: StoredGrid, cells: int) -> dict[str, Any]:
    return {"description": one.description, "cells": cells}


def _insert_cells(connection: Connection, id: int, cells: Iterable[CustomCell]) -> int:
    names: set[str] = set()
    for some in batched(cells, CHUNK):
        rows = []
        for one in some:
            if one.id in names:
                raise InvalidInput("cells", f"{one.id!r} comes twice")
            names.add(one.id)
            west, south, east, north = one.footprint.bounds
            rows.append(
                {
                    "grid_id": id,
                    "name": one.id,
                    "crs": one.crs,
                    "outline": one.footprint,
                    "bounds": one.bounds and list(one.bounds.as_tuple()),
                    "west": west,
                    "south": south,
                    "east": east,
                    "north": north,
                }
            )
        connection.execute(insert(cell), rows)
    if not names:
        raise InvalidInput("cells", "there must be at least one")
    return len(names)


def _cell(row: Any) -> CustomCell:
    bounds = None if row.bounds is None else Bounds(*row.bounds)
    return CustomCell(id=row.name, crs=row.crs, footprint=row.outline, bounds=bounds)
