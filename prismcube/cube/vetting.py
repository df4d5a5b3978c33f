"""Plans of strangers, before they are executed: what follows from other members is worked out anew. Pure.

    vetted(parse_plan(document)) -> CubePlan      of a true plan: the same pixels

A document says of each visit how far it shrinks and what it reads, and where the blocks of its file lie. Limits would
mean nothing if that were believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from prismcube.cube.levels import Scale, level_grid, level_pixels
from prismcube.cube.places import Place, Places
from prismcube.cube.plan import QUALITY, CubePlan, LayerPlan, ReadStep, SlicePlan
from prismcube.errors import LARGEST, BudgetExceeded, InvalidInput
from prismcube.model.grid import Grid, turns
from prismcube.storage.subdir import parse_subdir
from prismcube.storage.uri import canonical_uri
from prismcube.tiff.layout import Window

MOST_FIELDS = 1000
"""Of a plan, and as many that are computed."""
MOST_BLOCKS = 2**18
"""That one visit may touch: each is some work whatever its size."""
ROUGHLY = 1.01
"""So much may a scale be other than what the grids say: it was worked out by another library's release."""

_NAMES_FILES = re.compile(r"parameterfile|grids\s*=\s*(?!@null\b)|\+init|file\s*=", re.IGNORECASE)
"""In a CRS: PROJ would open what stands there."""


def vetted(plan: CubePlan) -> CubePlan:
    """The plan with canonical URIs, and its costs worked out from grids. Raises InvalidInput, BudgetExceeded."""
    if not plan.slices:
        raise InvalidInput("plan.slices", "are none")
    if max(len(plan.fields), len(plan.computed)) > MOST_FIELDS:
        raise InvalidInput("plan.fields", f"are more than {MOST_FIELDS:,}")
    _check_crs((plan.grid.crs, *(step.grid.crs for step in plan.steps)))
    known = _targets(plan)
    for step in plan.steps:
        for band in step.bands:
            if band.target not in known:
                raise InvalidInput("plan.slices", f"have a band for {band.target[:60]!r}, which is no field")
    places = Places(plan.grid)
    slices = []
    for one in plan.slices:
        layers = tuple(
            LayerPlan(layer.record_id, layer.record, tuple(_step(step, plan.grid, places) for step in layer.steps))
            for layer in one.layers
        )
        slices.append(SlicePlan(one.step, layers))
    return replace(plan, slices=tuple(slices))


def _check_crs(texts: Iterable[str]) -> None:
    for text in set(texts):
        if _NAMES_FILES.search(text):
            raise InvalidInput("plan.grid.crs", f"{text[:80]!r} names a file, which is not read")


def _targets(plan: CubePlan) -> set[str]:
    """Names of all that bands may be read for."""
    names = {field.name for field in plan.fields}.union(*(one.expression.names for one in plan.computed))
    return names | {QUALITY + rule.field for rule in plan.masks.values()}


def _step(step: ReadStep, grid: Grid, places: Places) -> ReadStep:
    if step.turn not in turns(grid.crs):
        raise InvalidInput("plan.slices", f"have a turn of {step.turn:g}, which is none of the output's CRS")
    parse_subdir(step.subdir) if step.subdir else None
    uri = canonical_uri(step.uri)
    place = places.at(step.grid, step.turn)
    pixels = _pixels(step, grid, place)
    read = pixels * len({band.band for band in step.bands}) * step.format.itemsize
    return replace(step, uri=uri, read_bytes=min(read, LARGEST), scale=_scale(step, place))


def _scale(step: ReadStep, place: Place) -> Scale:
    """That of the document, unless the kernel would be wider than the grids say."""
    down, right = (min(told, ROUGHLY * max(own, 1.0)) for told, own in zip(step.scale, place.scale, strict=True))
    return down, right


def _pixels(step: ReadStep, grid: Grid, place: Place) -> int:
    """Of the file that are read, of one band."""
    shape = step.grid.shape if step.layout is None else level_grid(step.grid, step.layout, step.level).shape
    pixels = place.pixels if step.layout is None else level_pixels(place.pixels, step.layout, step.level)
    if step.offset is not None:
        pixels = max(pixels, Window(*step.offset, *grid.shape).within(*shape).pixels)
    if step.layout is not None:
        _check_blocks(step, min(pixels, shape[0] * shape[1]))
    return pixels


def _check_blocks(step: ReadStep, pixels: int) -> None:
    """Raises BudgetExceeded when so many pixels may lie in too many blocks."""
    if step.layout is None:
        return
    level = step.layout.levels[step.level]
    size = min(level.block_height, level.height) * min(level.block_width, level.width)
    planes = len({band.band for band in step.bands}) if level.planar else 1
    across = sum(level.blocks)  # at the edges of the window
    blocks = planes * min(pixels // size + 2 * across + 4, level.blocks[0] * level.blocks[1])
    if blocks > MOST_BLOCKS:
        advice = "ask for a smaller area"
        raise BudgetExceeded("blocks of a file", asked=blocks, allowed=MOST_BLOCKS, advice=advice)
