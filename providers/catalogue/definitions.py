"""What data are drawn and written by: palettes, styles, layouts, grids, consolidation settings; see resource.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from prismcube.catalogue import Catalogue, Repositories, UnitOfWork
from prismcube.catalogue.documents import Documents, Stored
from prismcube.catalogue.grids import StoredGrid
from prismcube.catalogue.references import Deletion
from prismcube.errors import Conflict, NotFound
from prismcube.model.consolidation import ConsolidationParams
from prismcube.model.custom_cells import CustomCell, custom_cells
from prismcube.model.layout import Layout
from prismcube.model.palette import Palette
from prismcube.model.style import Style
from providers.catalogue import documents as doc
from providers.catalogue import grid_documents as grid_doc
from providers.catalogue.filters import Filters
from providers.catalogue.resource import Key, Resource


class _Named[Value: (Palette, Style, Layout), Model: doc.Document](Resource[Stored[Value], Model]):
    """Entities that are documents already."""

    filters = ("name",)
    order = ("name",)
    value: ClassVar[Any]

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[Stored[Value]]:
        repository: Documents[Value] = self.repository(of)
        return repository.list(name=wanted.pattern("name"), after=after, limit=limit)

    def document(self, of: Repositories, entity: Stored[Value]) -> dict[str, Any]:
        # Through the model, so that what the entity leaves out is there with its default.
        given = self.model.model_validate(entity.value.to_json(), strict=False)
        return given.model_dump(mode="json")

    def create(self, unit: UnitOfWork, model: Model) -> Stored[Value]:
        repository: Documents[Value] = self.repository(unit)
        return repository.create(self._value(model))

    def replace(self, unit: UnitOfWork, key: Key, model: Model) -> Stored[Value]:
        repository: Documents[Value] = self.repository(unit)
        return repository.update(int(key), self._value(model))

    def _value(self, model: Model) -> Value:
        value: Value = self.value.from_json(model.model_dump(mode="json", exclude_none=True))
        return value


class Palettes(_Named[Palette, doc.Palette]):
    name, kind, model, value = "palettes", "palette", doc.Palette, Palette

    def repository(self, of: Repositories) -> Any:
        return of.palettes


class Styles(_Named[Style, doc.Style]):
    name, kind, model, value = "styles", "style", doc.Style, Style

    def repository(self, of: Repositories) -> Any:
        return of.styles


class Layouts(_Named[Layout, grid_doc.Layout]):
    name, kind, model, value = "layouts", "layout", grid_doc.Layout, Layout

    def repository(self, of: Repositories) -> Any:
        return of.layouts


class Grids(Resource[StoredGrid, grid_doc.Grid]):
    name, kind, model, filters = "grids", "grid", grid_doc.Grid, ("name",)
    order = ("name",)

    def repository(self, of: Repositories) -> Any:
        return of.grids

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[StoredGrid]:
        return of.grids.list(name=wanted.pattern("name"), after=after, limit=limit)

    def document(self, of: Repositories, entity: StoredGrid) -> dict[str, Any]:
        return grid_doc.Grid.of(entity)

    def more(self, of: Repositories, entity: StoredGrid) -> dict[str, Any]:
        return {"id": entity.id, "cell_count": entity.cells}

    def prepare(self, of: Catalogue, model: grid_doc.Grid) -> tuple[StoredGrid, Sequence[CustomCell]]:
        cells: Sequence[CustomCell] = ()
        if model.cells is not None:
            cells = custom_cells(
                model.cells.model_dump(),
                id_property=model.id_property,
                crs_property=model.crs_property,
                snap=model.snap,
            )
        return StoredGrid(name=model.name, description=model.description), cells

    def create(self, unit: UnitOfWork, wanted: tuple[StoredGrid, Sequence[CustomCell]]) -> StoredGrid:
        return unit.grids.create(*wanted)

    def replace(self, unit: UnitOfWork, key: Key, wanted: tuple[StoredGrid, Sequence[CustomCell]]) -> StoredGrid:
        grid, cells = wanted
        if cells:
            raise Conflict("grid", key, "its cells never change; make another grid")
        return unit.grids.update(replace(grid, id=int(key)))


class Consolidations(Resource[tuple[int, ConsolidationParams], doc.Consolidation]):
    """Under the id of the variable."""

    name, kind, model = "consolidation-params", "consolidation setting", doc.Consolidation
    creates = False

    def repository(self, of: Repositories) -> Any:
        return of.consolidation

    def page(
        self, of: Repositories, wanted: Filters, *, after: Any, limit: int
    ) -> list[tuple[int, ConsolidationParams]]:
        return of.consolidation.list(after=after[0] if after else 0, limit=limit)

    def cursor(self, of: Repositories, entity: tuple[int, ConsolidationParams]) -> tuple[Any, ...]:
        return (entity[0],)

    def get(self, of: Repositories, key: Key) -> tuple[int, ConsolidationParams]:
        return int(key), of.consolidation.get(int(key))

    def key(self, entity: tuple[int, ConsolidationParams]) -> Key:
        return entity[0]

    def document(self, of: Repositories, entity: tuple[int, ConsolidationParams]) -> dict[str, Any]:
        return doc.consolidation(entity[1])

    def more(self, of: Repositories, entity: tuple[int, ConsolidationParams]) -> dict[str, Any]:
        return {"id": entity[0], "variable": entity[0]}

    def replace(self, unit: UnitOfWork, key: Key, model: doc.Consolidation) -> tuple[int, ConsolidationParams]:
        given = model.model_dump(mode="json")
        given["format"] = {name: value for name, value in given["format"].items() if value is not None}
        wanted = ConsolidationParams.from_json(given)
        unit.consolidation.put(int(key), wanted)
        return int(key), wanted

    def delete(self, unit: UnitOfWork, keys: Sequence[Key], *, keep_referenced: bool) -> Deletion:
        kept: dict[int, str] = {}
        for key in map(int, keys):
            try:
                unit.consolidation.delete(key)
            except NotFound as error:
                if not keep_referenced:
                    raise
                kept[key] = str(error)
        return Deletion(deleted=tuple(key for key in map(int, keys) if key not in kept), kept=kept)
