"""Plans made: the files, levels and modes that a request needs of some datasets. Pure.

make_plan(request, datasets) -> CubePlan      nothing is opened
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from prismcube.cube.levels import Scale, level_grid, level_of, level_pixels
from prismcube.cube.mosaic import mosaic_rule
from prismcube.cube.places import Place, Places
from prismcube.cube.plan import QUALITY, BandRead, CubePlan, LayerPlan, ReadStep, SlicePlan, fits
from prismcube.cube.request import CubeRequest
from prismcube.errors import InvalidInput
from prismcube.model.collection import ComputedField, StoredField
from prismcube.model.cube import OutputField, Step
from prismcube.model.entities import Dataset, own_etag
from prismcube.tiff.layout import Header, Layout

Headers = Mapping[tuple[str, str], Header]
"""What is stored of files, by (uri, subdir)."""
NO_HEADERS: Headers = MappingProxyType({})


def make_plan(request: CubeRequest, datasets: Sequence[Dataset], *, headers: Headers = NO_HEADERS) -> CubePlan:
    """The plan of `request` over `datasets` (already those of its fields, time and area; any order).

    Steps without any dataset that touches the grid vanish, as in Geocube; so do datasets beside the grid. `headers` are
    those stored of the datasets' files; GDAL reads the files of which there is none.
    """
    planner = _Planner(request, datasets, headers)
    return CubePlan(
        grid=request.grid,
        fields=tuple(_output_field(request, request.collection.field(name)) for name in request.fields),
        computed=planner.computed,
        masks={name: rule for name, rule in request.masks.items() if name in request.fields},
        mosaic=request.mosaic,
        slices=tuple(planner.slices()),
    )


def _output_field(request: CubeRequest, field: StoredField | ComputedField) -> OutputField:
    resampling = "average"  # of what is computed
    if isinstance(field, StoredField):
        resampling = request.resampling or field.resampling
    return OutputField(
        field.name,
        mosaic_rule(request.mosaic).format(field.format),
        "" if request.mosaic == "count" else field.unit,
        field.description,
        resampling,
    )


class _Planner:
    def __init__(self, request: CubeRequest, datasets: Sequence[Dataset], headers: Headers) -> None:
        self.request = request
        self.headers = headers
        collection = request.collection
        needed = set(request.fields)
        for one in reversed(collection.fields):
            if one.name in needed and isinstance(one, ComputedField):
                needed |= one.expression.names
        self.computed = tuple(f for f in collection.fields if isinstance(f, ComputedField) and f.name in needed)
        sources = collection.sources(request.fields)
        self.targets: list[tuple[str, StoredField, str]] = [
            (f.name, f, request.resampling or f.resampling) for f in sources
        ]
        """(target name, field, resampling) of everything that is read."""
        for name in sorted({rule.field for field, rule in request.masks.items() if field in request.fields}):
            quality = collection.field(name)
            if not isinstance(quality, StoredField):
                raise InvalidInput("mask", f"{name!r} is not a stored field")
            self.targets.append((QUALITY + name, quality, "nearest"))
        self.by_record: dict[int, list[Dataset]] = defaultdict(list)
        for dataset in sorted(datasets, key=lambda d: (d.time, d.id or 0)):
            self.by_record[dataset.record_id].append(dataset)
        self._places = Places(request.grid)

    def slices(self) -> Iterable[SlicePlan]:
        for group in self.request.groups:
            layers = []
            for record in group.records:
                steps = self._record_steps(self.by_record.get(record.id or 0, ()))
                if any(not band.target.startswith(QUALITY) for step in steps for band in step.bands):
                    layers.append(LayerPlan(record.id or 0, record.name, steps))
            if layers:
                step = Step(group.start, group.end, tuple(layer.record for layer in layers))
                yield SlicePlan(step, tuple(layers))

    def _record_steps(self, datasets: Sequence[Dataset]) -> tuple[ReadStep, ...]:
        """One visit a (file, mode, resampling), in the datasets' order."""
        visits: dict[tuple[Any, ...], list[tuple[Dataset, str, StoredField]]] = {}
        for dataset in datasets:
            for place in self._places.of(dataset.grid):
                for target, field, resampling in self.targets:
                    if field.instance_id != dataset.instance_id:
                        continue
                    layout = self._layout(dataset, dataset.bands[field.band])[0]
                    view = self._view(dataset, place, layout, resampling)
                    how = "nearest" if view.offset is not None else resampling
                    # float nodata: NaN differs from itself, its text does not
                    key = (dataset.uri, dataset.subdir, dataset.format.dtype, str(dataset.format.nodata), how, view)
                    visits.setdefault(key, []).append((dataset, target, field))
        return tuple(self._visit(key[-2], key[-1], wanted) for key, wanted in visits.items())

    def _view(self, dataset: Dataset, place: Place, layout: Layout | None, resampling: str) -> _View:
        """At which resolution a file is read, and whether its pixels are then those of the output."""
        if dataset.slant is not None:  # they are of none
            return _View(place.turn, None, 0, place.scale, place.pixels)
        level = level_of(layout, place.scale, resampling) if layout else 0
        if layout is None or level == 0:
            return _View(place.turn, place.offset, 0, place.scale, place.pixels)
        target = self.request.grid.moved(place.turn) if place.turn else self.request.grid
        offset = level_grid(dataset.grid, layout, level).pixel_offset(target)
        return _View(place.turn, offset, level, place.scale, level_pixels(place.pixels, layout, level))

    def _visit(self, resampling: str, view: _View, wanted: list[tuple[Dataset, str, StoredField]]) -> ReadStep:
        first = wanted[0][0]
        bands = tuple([BandRead(target, d.bands[field.band], d.mapping) for d, target, field in wanted])
        distinct = {band.band for band in bands}
        layout, fallback = self._layout(first, max(distinct))
        return ReadStep(
            dataset_ids=tuple(dict.fromkeys([d.id or 0 for d, _, _ in wanted])),
            uri=first.uri,
            etag=first.etag,
            subdir=first.subdir,
            grid=first.grid,
            format=first.format,
            mode="warp" if view.offset is None else "copy",
            resampling=resampling,
            bands=bands,
            offset=view.offset,
            level=view.level,
            scale=view.scale,
            read_bytes=view.pixels * len(distinct) * first.format.itemsize,
            turn=view.turn,
            slant=first.slant,
            layout=layout,
            fallback=fallback,
        )

    def _layout(self, dataset: Dataset, band: int) -> tuple[Layout | None, str]:
        """The layout that a file may be read by, or why there is none; `band` is the last one wanted."""
        if dataset.slant is not None:
            return None, dataset.slant.reason
        header = self.headers.get((dataset.uri, dataset.subdir))
        if header is None:
            return None, "no layout is stored"
        if header.etag != own_etag(dataset.etag):
            return None, "its layout is that of another state"
        if header.layout is None:
            return None, header.reason
        if not fits(header.layout, dataset.grid, dataset.format, band):
            return None, "its layout is not that of the dataset"
        return header.layout, ""


class _View(NamedTuple):
    """How a file is read at its place."""

    turn: float
    offset: tuple[int, int] | None
    """Of the output in the level."""
    level: int
    scale: Scale
    pixels: int
    """Of the level, within the output's box."""
