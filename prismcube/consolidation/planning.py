"""The plan of a consolidation: which files are to be written, from which datasets.

Planner(order) ─ cells        of the layout that the chosen datasets touch, instance by instance
               ─ plan_cell    pure, see `prismcube.consolidation.slab`
               ─ slabs()      one after the other: a million cost no memory
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import batched
from typing import Any

import shapely
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from prismcube.catalogue import Catalogue
from prismcube.catalogue.catalogue import UnitOfWork
from prismcube.catalogue.datasets import DatasetFilter
from prismcube.catalogue.documents import Stored
from prismcube.consolidation.selection import Chosen, Selection, choose, datasets, record_ids
from prismcube.consolidation.settings import check_class, params_of
from prismcube.consolidation.slab import CellPlan, Slab, plan_cell, plan_collapsed
from prismcube.consolidation.targets import DEFAULT, Template
from prismcube.cube.places import Places
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.cells import Cell, is_cell_of
from prismcube.model.consolidation import ConsolidationParams
from prismcube.model.custom_cells import area_on_globe
from prismcube.model.entities import Dataset, DatasetStatus, Instance, Record, Variable
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.globe import polygons
from prismcube.model.grid import Grid, parse_crs
from prismcube.model.layout import CustomGrid, Layout, SingleCell
from prismcube.model.period import parse_instant
from prismcube.storage.uri import canonical_uri
from prismcube.tiff.layout import VALIDITY_BAND, Header

MOST_CELLS = 1_000_000
"""Of one instance."""

BATCH = 500
"""Datasets that are looked up at once."""

BESIDE_PX = 0.25
"""How far a pixel may lie beside its footprint, which is simplified, in pixels of the file."""

BEYOND = 0.01
"""Share of a dataset's area that may lie beyond the cells of a grid with gaps or an end: edges are bent differently."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a consolidation is told."""

    selection: Selection
    layout: str
    """Its name."""
    params: Mapping[str, Any]
    """Members of consolidation settings in place of those of the variables."""
    uri: str = DEFAULT
    """Template of the files, see `prismcube.consolidation.targets`."""
    collapse: Record | None = None
    """The record that all are made one of; None: each stays what it is."""

    @classmethod
    def from_inputs(cls, inputs: Mapping[str, Any]) -> Order:
        """Of the inputs of the process. Raises InvalidInput naming one."""
        selection = Selection.from_inputs(inputs)
        if not selection.instances and not selection.collection:
            raise InvalidInput("instances", "give instances, as variable/instance, or a collection")
        return cls(
            selection=selection,
            layout=inputs["layout"],
            params=inputs.get("consolidation") or {},
            uri=inputs.get("uri") or DEFAULT,
            collapse=record_of(inputs.get("collapse")),
        )


def record_of(given: Mapping[str, Any] | None) -> Record | None:
    """Of the input `collapse`. Raises InvalidInput."""
    if given is None:
        return None
    try:
        time = parse_instant(given["time"])
    except InvalidInput as error:
        raise InvalidInput("collapse.time", error.reason) from error
    try:
        return Record(name=given["name"], time=time, tags=given.get("tags") or {})
    except InvalidInput as error:
        raise InvalidInput(f"collapse.{error.parameter.rpartition('.')[2]}", error.reason) from error


@dataclass(frozen=True, kw_only=True)
class Target:
    """An instance, and how its files are written."""

    variable: Variable
    instance: Instance
    params: ConsolidationParams

    @property
    def mapping(self) -> ValueMapping:
        """How stored values stand for the variable's; a range in one of both formats only is no mapping."""
        return self.params.mapping(self.variable.format)

    @property
    def stored(self) -> DataFormat:
        """Type and nodata of the numbers in the files: NaN survives where other numbers would not."""
        format = self.params.format
        if not self.params.needs_mask:
            return DataFormat(dtype=format.dtype, nodata=format.nodata)
        return DataFormat(dtype=format.dtype, nodata=math.nan if format.is_floating else None)

    @property
    def lacks_nodata(self) -> bool:
        """True when no number of the files stands for nothing."""
        return self.stored.nodata is None and not self.stored.is_floating


@dataclass(frozen=True, kw_only=True)
class InstancePlan:
    """What becomes of a cell, and of whose datasets."""

    target: Target
    cell: Cell
    plan: CellPlan
    datasets: Mapping[int, Dataset]
    """All of the cell, by id."""


class Planner:
    """Looks an order up and plans it; nothing is written, neither files nor rows."""

    def __init__(self, catalogue: Catalogue, order: Order, *, job: str) -> None:
        """Raises NotFound and InvalidInput, naming the input, for what can't be done whatever the datasets are."""
        self._catalogue = catalogue
        self.order = order
        self.job = job
        self.layout: Stored[Layout] = _layout(catalogue, order.layout)
        _check_overviews(self.layout.value)
        self.chosen: Chosen = choose(catalogue, order.selection)
        if catalogue.managed is None:
            raise InvalidInput("uri", "no folder's files are ours yet (setting prismcube.catalogue.managed)")
        self.folder = catalogue.managed
        self.template = Template.parse(order.uri, folder=self.folder)
        self.targets = {
            id: Target(variable=variable, instance=instance, params=params_of(catalogue, variable, order.params))
            for id, (variable, instance) in self.chosen.instances.items()
        }
        for target in self.targets.values():
            check_class(self.folder, target.params, target.variable)
        self._check_collapse()
        self.folders = self._folders()
        """URIs of the folders below which all files of the job lie."""

    def _check_collapse(self) -> None:
        """Of a record that has such data already they would be laid over the new ones, or the other way round."""
        wanted = self.order.collapse
        if wanted is not None and has_data(self._catalogue, wanted, self.targets):
            raise InvalidInput("collapse", "there is such a record with datasets of these instances; name another one")

    def cells(self) -> Iterator[InstancePlan]:
        """Each cell of each instance that has something to consolidate.

        Raises InvalidInput when nothing is chosen, datasets reach beyond the grid, or an area has no place in a CRS.
        """
        records = record_ids(self._catalogue, self.chosen)
        found = False
        for id, target in self.targets.items():
            ground, reach, wanted = self._ground(id, records)
            if ground is None:
                continue
            found = True
            for cell in self._cells(ground, reach):
                try:
                    theirs = self._of_cell(id, cell, reach)
                except InvalidInput as error:  # the cell has no place on the globe, or in the CRS of a dataset
                    reason = f"cell {cell.id} of {self.layout.value.name} does not take the datasets: {error.reason}"
                    raise InvalidInput("layout", reason) from error
                plan = self._plan(target, cell, theirs, wanted)
                if plan.slabs or plan.kept:
                    yield InstancePlan(target=target, cell=cell, plan=plan, datasets={d.id or 0: d for d in theirs})
        if not found:
            raise InvalidInput("records", "no active dataset is of these records and instances")

    def _ground(self, instance: int, records: tuple[int, ...] | None) -> tuple[MultiPolygon | None, float, set[int]]:
        """Where the chosen datasets of an instance lie, how far pixels may lie beside it in degrees, and their ids.

        They are chosen once for all cells: one that is indexed meanwhile would be replaced as a whole by the cells that
        come after it.
        """
        areas: dict[bytes, BaseGeometry] = {}
        reach, ids = 0.0, set[int]()
        for one in datasets(self._catalogue, self.chosen, instance=instance, records=records):
            ids.add(one.id or 0)
            side = math.sqrt(one.footprint.area / max(one.grid.pixels, 1))
            reach = max(reach, BESIDE_PX * side)
            areas[one.footprint.wkb] = one.footprint
            if len(areas) > 1000:  # of images of one place there are few outlines
                areas = {b"": shapely.union_all(list(areas.values()))}
        if not areas:
            return None, reach, ids
        return polygons(shapely.union_all(list(areas.values()))), reach, ids

    def _cells(self, ground: MultiPolygon, reach: float) -> Iterator[Cell]:
        spec = self.layout.value.grid
        if isinstance(spec, SingleCell):  # a cell that grew by a hair would be another one each time
            reach = 0.0
        area = area_on_globe(shapely.buffer(ground, reach, quad_segs=2), "layout") if reach else ground
        try:
            cells = self._catalogue.grids.tiles(spec, area, limit=MOST_CELLS)
            if isinstance(spec, CustomGrid) or getattr(spec, "columns", None) or getattr(spec, "rows", None):
                found = list(cells)
                self._check_covered(ground, found)
                return iter(found)
        except InvalidInput as error:
            if error.parameter == "layout":
                raise
            reason = f"the grid of {self.layout.value.name} does not take the datasets: their area"
            raise InvalidInput("layout", f"{reason} {error.reason}") from error
        return cells

    def _check_covered(self, ground: MultiPolygon, cells: list[Cell]) -> None:
        """What lies in no cell would be lost when the old datasets go."""
        covered = shapely.union_all([cell.footprint() for cell in cells]) if cells else MultiPolygon()
        beyond = shapely.difference(ground, covered)
        if beyond.area > BEYOND * ground.area:
            west, south, east, north = (round(value, 3) for value in beyond.bounds)
            where = f"{west} to {east} degrees east, {south} to {north} north"
            raise InvalidInput("layout", f"some of the datasets lie beyond its cells, at {where}")

    def _of_cell(self, instance: int, cell: Cell, reach: float) -> list[Dataset]:
        """All active datasets of an instance that may have a pixel in a cell.

        Cells of a custom grid may overlap, others meet beyond the end of a map; what was written for another one of
        this layout is a source of that alone.
        """
        near = polygons(shapely.buffer(cell.footprint(), reach, quad_segs=2)) if reach else cell.footprint()
        anything, places = replace(self.chosen, records=None), Places(cell.grid)
        found = datasets(self._catalogue, anything, instance=instance, area=area_on_globe(near, "layout"))
        theirs = [one for one in found if any(True for _ in places.of(one.grid))]
        spec = self.layout.value.grid
        if isinstance(spec, SingleCell):
            return theirs
        others = self._of_layout(
            one
            for one in theirs
            if one.grid != cell.grid and (isinstance(spec, CustomGrid) or is_cell_of(spec, one.grid))
        )
        return [one for one in theirs if one.id not in others]

    def _of_layout(self, some: Iterable[Dataset], *, loss: str | None = None) -> set[int]:
        """Ids of those that lie in files of ours that were written in this layout; with this loss, if one is given."""
        containers = {one.id or 0: one.container_id for one in some}
        found = self._catalogue.containers.get_many(set(containers.values()))
        ours = {one.id for one in found if one.managed and one.layout_id == self.layout.id and loss in (None, one.loss)}
        return {id for id, container in containers.items() if container in ours}

    def _plan(self, target: Target, cell: Cell, theirs: list[Dataset], wanted: set[int]) -> CellPlan:
        def is_wanted(one: Dataset) -> bool:
            return one.id in wanted

        id = target.instance.id or 0
        if self.order.collapse is not None:
            plan = plan_collapsed(cell, filter(is_wanted, theirs), instance=id)
        else:
            settled = self._settled(target, cell, theirs)
            plan = plan_cell(
                cell,
                theirs,
                instance=id,
                max_records=self.layout.value.max_records,
                is_wanted=is_wanted,
                is_settled=lambda one: one.id in settled,
            )
        by_id = {one.id or 0: one for one in theirs}
        named = (replace(slab, uri=self._uri(target, slab, by_id)) for slab in plan.slabs)
        return replace(plan, slabs=tuple(self._with_alpha(target, slab, by_id) for slab in named))

    def _with_alpha(self, target: Target, slab: Slab, theirs: Mapping[int, Dataset]) -> Slab:
        """Whether a band tells validity: when no number can, and some pixel may be empty, or copied dates have one.

        Dates that have none are then read anew instead of copied.
        """
        if not target.lacks_nodata:
            return slab
        copies = [theirs[page.datasets[0]] for page in slab.pages if page.is_copy]
        headers = self._catalogue.headers.of(copies)
        have = {one.id for one in copies if _has_alpha(headers.get((one.uri, one.subdir)))}
        alpha = target.params.needs_mask or bool(have)
        alpha |= any(
            not any(_covers(theirs[id], slab.cell.grid) for id in page.datasets)
            for page in slab.pages
            if not page.is_copy
        )
        pages = [replace(page, is_copy=page.is_copy and (page.datasets[0] in have) == alpha) for page in slab.pages]
        return replace(slab, pages=tuple(pages), alpha=alpha)

    def _settled(self, target: Target, cell: Cell, theirs: list[Dataset]) -> set[int]:
        """Ids of those that lie in this cell already, in a file of this layout, as they would be written now."""
        here = [one for one in theirs if one.grid == cell.grid and self._is_like(target, one)]
        ours = self._of_layout(here, loss=target.params.loss)
        here = [one for one in here if one.id in ours]
        headers = self._catalogue.headers.of(here)
        codec = target.params.options()["COMPRESS"].partition("_")[0]
        return {one.id or 0 for one in here if _codec_of(headers.get((one.uri, one.subdir))) == codec}

    @staticmethod
    def _is_like(target: Target, one: Dataset) -> bool:
        """Its numbers are those that would be written."""
        return (
            one.slant is None
            and one.format.stores_like(target.stored)
            and same_mapping(one.mapping, target.mapping)
            and one.bands == tuple(range(1, len(target.variable.bands) + 1))
        )

    def _uri(self, target: Target, slab: Slab, theirs: Mapping[int, Dataset]) -> str:
        times = sorted(theirs[id].time for page in slab.pages for id in page.datasets)
        values = {
            "layout": self.layout.value.name,
            "job": self.job,
            "variable": target.variable.name,
            "instance": target.instance.name,
            "cell": slab.cell.id,
            "number": str(slab.number),
            "first": times[0].strftime("%Y%m%d"),
            "last": times[-1].strftime("%Y%m%d"),
        }
        return canonical_uri(self.template.fill(self.folder, values))

    def _folders(self) -> tuple[str, ...]:
        names = [(one.variable.name, one.instance.name) for one in self.targets.values()]
        found = self.template.folders(self.folder, job=self.job, layout=self.layout.value.name, instances=names)
        return tuple(map(canonical_uri, found))


def same_mapping(one: ValueMapping, other: ValueMapping) -> bool:
    """True when both say the same of every number."""
    return one == other or (one.is_identity and other.is_identity)


def has_data(catalogue: Catalogue | UnitOfWork, wanted: Record, instances: Iterable[int]) -> bool:
    """Whether there is such a record, and readers see datasets of these instances of it."""
    known = catalogue.records.find(wanted)
    if known is None:
        return False
    theirs = DatasetFilter(records=(known.id or 0,), instances=tuple(instances), status=DatasetStatus.ACTIVE)
    return bool(catalogue.datasets.list(theirs, limit=1))


def check_unchanged(catalogue: Catalogue, known: Iterable[Dataset]) -> None:
    """To be called with datasets locked that were found before: another job may have changed them between.

    Raises Conflict for one that is not active any more or has changed, NotFound for one that is gone.
    """
    for some in batched(known, BATCH):
        before = {one.id: one for one in some}
        for one in catalogue.datasets.get_many([id for id in before if id is not None]):
            if one.status is not DatasetStatus.ACTIVE:
                raise Conflict("dataset", one.id, f"became {one.status.value} meanwhile; a retry plans anew")
            if one != before[one.id]:
                raise Conflict("dataset", one.id, "was changed meanwhile; a retry plans anew")


def _has_alpha(header: Header | None) -> bool:
    return header is not None and header.reason.endswith(VALIDITY_BAND)


def _covers(one: Dataset, grid: Grid) -> bool:
    """True when a dataset has a valid number in every pixel of a cell, whatever the resampling."""
    if one.format.nodata is not None or one.format.is_floating or one.slant is not None:
        return False
    if parse_crs(one.grid.crs) != parse_crs(grid.crs):
        return False
    return one.grid.bounds.contains(grid.bounds)


def _layout(catalogue: Catalogue, name: str) -> Stored[Layout]:
    try:
        return catalogue.layouts.get(name)
    except NotFound as error:
        raise InvalidInput("layout", f"no layout is named {str(name)[:80]!r}") from error


def _check_overviews(layout: Layout) -> None:
    """Raises InvalidInput for a layout without overviews: zoomed-out pictures would read every pixel of every file."""
    if layout.overviews_min_size == 0:
        raise InvalidInput(
            "layout",
            f"{layout.name} has overviews_min_size 0, and consolidated files always have overviews, by which "
            "zoomed-out pictures are read; give the layout -1 or a size",
        )


def _codec_of(header: Header | None) -> str:
    """GDAL's name of the compression of a file, without what comes after it; empty when it is not known."""
    if header is None:
        return ""
    if header.layout is not None:
        return header.layout.levels[0].codec.upper()
    return header.reason.partition(" ")[0] if " compression" in header.reason else ""
