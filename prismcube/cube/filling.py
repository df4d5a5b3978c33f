"""Answers that are filled from the top down, each pixel by the first file that has it, until nothing is empty.

Filling.take(visit)           a file at a time: plain slices, of which what can be read is there
Filling.take_record(visits)   a record at a time, all of whose files have been read; masked, mapped and cast
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.cube.plan import QUALITY, BandRead, is_direct
from prismcube.cube.reading import Visit
from prismcube.cube.translation import Cast, Judgement
from prismcube.model.cube import OutputField
from prismcube.model.mask import MaskRule

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


class Filling:
    """Some fields of an answer that is being filled; the topmost file is taken first."""

    def __init__(
        self, fields: Sequence[OutputField], masks: Mapping[str, MaskRule], data: Sequence[Array], valid: Sequence[Mask]
    ) -> None:
        """`data`, `valid`: one array (height, width) a field; nothing is valid yet."""
        self._fields, self._data, self._valid = fields, data, valid
        self._rules = [masks.get(field.name) for field in fields]
        self._at = {field.name: number for number, field in enumerate(fields)}
        self._missing = [mask.size for mask in valid]

    @property
    def is_full(self) -> bool:
        """True when no pixel is empty."""
        return not any(self._missing)

    def take(self, visit: Visit) -> None:
        """Fill in a file whose numbers are those of the answer. Raises SourceError."""
        for band in reversed(visit.step.bands):
            number = self._at[band.target]
            if missing := self._missing[number]:
                fill = visit.fill_first if missing == self._valid[number].size else visit.fill
                nodata = self._fields[number].format.nodata
                self._missing[number] -= fill(band.band, self._data[number], self._valid[number], shunned=nodata)

    def take_record(self, visits: Sequence[Visit]) -> None:
        """Fill in the files of a record that have been read, of which the first lies on top."""
        kept = {rule: self._kept(rule, visits) for rule in self._rules if rule is not None}
        # What the record itself masks is closed to all its files, and open again for the next record.
        closed = [
            valid if rule is None else valid | ~kept[rule] for rule, valid in zip(self._rules, self._valid, strict=True)
        ]
        for visit in visits:
            for band in reversed(visit.step.bands):
                number = self._at.get(band.target)
                if number is not None and self._missing[number]:
                    self._missing[number] -= self._fill(visit, band, number, closed[number])
        for rule, valid, full in zip(self._rules, self._valid, closed, strict=True):
            if rule is not None:
                valid |= full & kept[rule]

    def _fill(self, visit: Visit, band: BandRead, number: int, closed: Mask) -> int:
        format, out = self._fields[number].format, self._data[number]
        if is_direct(visit.step, band, format):
            return visit.fill(band.band, out, closed, shunned=format.nodata)
        return visit.translate(band.band, Cast.to(format, band.mapping), out, closed)

    def _kept(self, rule: MaskRule, visits: Sequence[Visit]) -> Mask:
        """Where the record's quality says that pixels count; where it says nothing they don't."""
        kept, seen = (np.zeros(self._valid[0].shape, dtype=bool) for _ in range(2))
        for visit in visits:
            for band in reversed(visit.step.bands):
                if band.target == QUALITY + rule.field:
                    visit.translate(band.band, Judgement(band.mapping, rule), kept, seen)
        return kept
