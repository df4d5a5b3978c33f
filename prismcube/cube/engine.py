"""Executes plans: files in, slices out, in order.

    execute(plan) ─ per slice ─ per record (layer) ─ read files ─ overlay ─ mask ─ compute ─ mosaic ─ cast ─> Slice

Memory is that of one slice (`CubePlan.working_bytes`), whatever the number of slices; closing the generator stops the
work after the file at hand.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.cube.gate import Stop, never
from prismcube.cube.mosaic import Mosaic, mosaic_rule
from prismcube.cube.observer import NOBODY, Observer
from prismcube.cube.plan import QUALITY, BandRead, CubePlan, LayerPlan, ReadStep, SlicePlan
from prismcube.errors import SourceError
from prismcube.model.cube import OutputField, Slice, SliceStatus
from prismcube.model.formats import cast
from prismcube.model.grid import Grid
from prismcube.raster.reader import read_copy, read_warp

LOG = logging.getLogger(__name__)

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Pixels = tuple[Array, Mask]
"""External values and validity, both (height, width)."""


def execute(plan: CubePlan, *, stop: Stop = never, observer: Observer = NOBODY) -> Iterator[Slice]:
    """The slices of a plan, in its order.

    A record whose files can't all be read is left out of its step, which says so: PARTIAL, or FAILED when there is no
    other record. It never ends the stream. `stop` is called before each file and may raise Cancelled;
    `observer` is told what has been read and made.
    """
    for index, one in enumerate(plan.slices):
        made = _slice(plan, index, one, stop, observer)
        observer.slice_made(made.status)
        yield made


def _slice(plan: CubePlan, index: int, one: SlicePlan, stop: Stop, observer: Observer) -> Slice:
    rule = mosaic_rule(plan.mosaic)
    mosaics: list[Mosaic] = [rule() for _ in plan.fields]
    failures = []
    for layer in reversed(one.layers) if rule.reverse else one.layers:
        try:
            pixels = _layer(plan, layer, stop)
        except SourceError as error:
            LOG.warning("%s", error)
            failures.append(error.public)
            continue
        observer.files_read(len(layer.steps), sum(step.read_bytes for step in layer.steps))
        for mosaic, field in zip(mosaics, plan.fields, strict=True):
            mosaic.feed(*pixels[field.name])
        if all(mosaic.is_done for mosaic in mosaics):
            break
    if len(failures) == len(one.layers):
        return _failed(plan, index, failures[-1])
    data, valid = [], []
    for mosaic, field in zip(mosaics, plan.fields, strict=True):
        values, mask = mosaic.result()
        data.append(cast(values, mask, field.format))
        valid.append(mask)
    status = SliceStatus.OK if any(mask.any() for mask in valid) else SliceStatus.EMPTY
    return Slice(index, tuple(data), tuple(valid), SliceStatus.PARTIAL if failures else status, "; ".join(failures))


def _failed(plan: CubePlan, index: int, message: str) -> Slice:
    nowhere = np.zeros(plan.grid.shape, dtype=bool)
    empty = tuple(cast(np.zeros(plan.grid.shape), nowhere, f.format) for f in plan.fields)
    return Slice(index, empty, tuple(nowhere for _ in plan.fields), SliceStatus.FAILED, message)


def _layer(plan: CubePlan, layer: LayerPlan, stop: Stop) -> dict[str, Pixels]:
    """Every output field of one record, masked; fields the record lacks are empty."""
    pixels = _read(plan.grid, layer, stop)
    for computed in plan.computed:
        inputs = {name: pixels.get(name) or _nothing(plan.grid) for name in computed.expression.names}
        values = computed.expression.evaluate({name: v for name, (v, _) in inputs.items()}, shape=plan.grid.shape)
        valid = np.logical_and.reduce([np.isfinite(values), *(mask for _, mask in inputs.values())])
        pixels[computed.name] = values, valid
    return {field.name: _masked(plan, field, pixels) for field in plan.fields}


def _masked(plan: CubePlan, field: OutputField, pixels: Mapping[str, Pixels]) -> Pixels:
    values, valid = pixels.get(field.name) or _nothing(plan.grid)
    rule = plan.masks.get(field.name)
    if rule is None:
        return values, valid
    return values, valid & rule.apply(*(pixels.get(QUALITY + rule.field) or _nothing(plan.grid)))


def _nothing(grid: Grid) -> Pixels:
    return np.zeros(grid.shape), np.zeros(grid.shape, dtype=bool)


def _read(grid: Grid, layer: LayerPlan, stop: Stop) -> dict[str, Pixels]:
    """The record's stored fields as external values; where its files overlap, the later lies on top."""
    found: dict[str, Pixels] = {}
    for step in layer.steps:
        stop()
        bands = tuple(dict.fromkeys(band.band for band in step.bands))
        data, valid = _visit(step, bands, grid)
        for band in step.bands:
            at = bands.index(band.band)
            values = _external(band, data[at])
            below = found.get(band.target)
            found[band.target] = _over(below, (values, valid[at])) if below else (values, valid[at])
    return found


def _visit(step: ReadStep, bands: tuple[int, ...], grid: Grid) -> Pixels:
    if step.turn:
        grid = grid.moved(step.turn)
    if step.offset is not None:
        row, col = step.offset
        return read_copy(step, bands, grid, row=row, col=col)
    return read_warp(step, bands, grid, resampling=step.resampling)


def _external(band: BandRead, stored: Array) -> Array:
    return stored if band.mapping.is_identity else band.mapping.external(stored)


def _over(below: Pixels, above: Pixels) -> Pixels:
    return np.where(above[1], above[0], below[0]), below[1] | above[1]
