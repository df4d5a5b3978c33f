"""Answers that are computed: records in external values, one after the other, into a mosaic.

Computing.lay_over(visit)        a file of the record at hand, on top of those before
Computing.feed()                 the record is complete
Computing.skip()                 one of its files can't be read
Computing.finish(data, valid)    the mosaic, as answer

Files are kept as they are stored; external values, expressions and mosaics are made of few rows at a time, whose
float64 numbers fit into a core's own cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from prismcube.cube.mosaic import mosaic_rule
from prismcube.cube.plan import QUALITY, CubePlan
from prismcube.cube.reading import Visit
from prismcube.cube.translation import AT_ONCE, external
from prismcube.model.cube import OutputField
from prismcube.model.formats import ValueMapping, cast

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Pixels = tuple[Array, Mask]
"""External values and validity, both (height, width)."""


class _Band(NamedTuple):
    """What a record has of a field."""

    mapping: ValueMapping
    stored: Array
    valid: Mask

    def under(self, above: _Band) -> _Band:
        """Both, `above` on top."""
        mapping, below, on_top = self.mapping, self.stored, above.stored
        if above.mapping != mapping or on_top.dtype != below.dtype:
            mapping, below, on_top = ValueMapping(), external(below, mapping), external(on_top, above.mapping)
        return _Band(mapping, np.where(above.valid, on_top, below), self.valid | above.valid)

    def pixels(self, rows: slice) -> Pixels:
        return external(self.stored[rows], self.mapping), self.valid[rows]


class Computing:
    """Some fields of an answer that is being computed."""

    def __init__(self, plan: CubePlan, fields: Sequence[OutputField], shape: tuple[int, int]) -> None:
        """`shape`: (height, width) of the answer."""
        self._plan, self._fields = plan, fields
        height, self._width = shape
        step, rule = max(1, AT_ONCE // self._width), mosaic_rule(plan.mosaic)
        self._parts = [slice(row, min(row + step, height)) for row in range(0, height, step)]
        self._mosaics = [[rule() for _ in fields] for _ in self._parts]
        self._record: dict[str, _Band] = {}

    @property
    def is_done(self) -> bool:
        """True when more records can't change the answer."""
        return all(mosaic.is_done for mosaics in self._mosaics for mosaic in mosaics)

    def lay_over(self, visit: Visit) -> None:
        """Add a file to the record at hand; it lies on top. Raises SourceError."""
        data, valid = visit.pixels()
        for band in visit.step.bands:
            at = visit.bands.index(band.band)
            above = _Band(band.mapping, data[at], valid[at])
            below = self._record.get(band.target)
            self._record[band.target] = below.under(above) if below else above

    def skip(self) -> None:
        """Leave out the record at hand."""
        self._record = {}

    def feed(self) -> None:
        """Add the record at hand to the mosaic."""
        for rows, mosaics in zip(self._parts, self._mosaics, strict=True):
            if not all(mosaic.is_done for mosaic in mosaics):
                for mosaic, pixels in zip(mosaics, self._fields_of(rows), strict=True):
                    mosaic.feed(*pixels)
        self._record = {}

    def finish(self, data: Sequence[Array], valid: Sequence[Mask]) -> None:
        """Store the mosaic in the answer: one array (height, width) a field. ValueError when nothing was fed."""
        for rows, mosaics in zip(self._parts, self._mosaics, strict=True):
            for number, mosaic in enumerate(mosaics):
                values, mask = mosaic.result()
                data[number][rows], valid[number][rows] = cast(values, mask, self._fields[number].format), mask
            mosaics.clear()

    def _fields_of(self, rows: slice) -> list[Pixels]:
        """Some rows of every field of the record, masked; fields that it lacks are empty."""
        shape = (rows.stop - rows.start, self._width)
        nothing = np.zeros(shape), np.zeros(shape, dtype=bool)
        pixels = {name: band.pixels(rows) for name, band in self._record.items()}
        for computed in self._plan.computed:
            inputs = {name: pixels.get(name, nothing) for name in computed.expression.names}
            values = computed.expression.evaluate({name: v for name, (v, _) in inputs.items()}, shape=shape)
            valid = np.logical_and.reduce([np.isfinite(values), *(mask for _, mask in inputs.values())])
            pixels[computed.name] = values, valid
        return [self._masked(field, pixels, nothing) for field in self._fields]

    def _masked(self, field: OutputField, pixels: Mapping[str, Pixels], nothing: Pixels) -> Pixels:
        values, valid = pixels.get(field.name, nothing)
        rule = self._plan.masks.get(field.name)
        if rule is None:
            return values, valid
        return values, valid & rule.apply(*pixels.get(QUALITY + rule.field, nothing))
