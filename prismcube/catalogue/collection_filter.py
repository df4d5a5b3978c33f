"""Which collections a search means: by place, by time, by words."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, and_, bindparam, or_

from prismcube.catalogue.dialects import Condition
from prismcube.catalogue.tables import collection
from prismcube.model.grid import Bounds
from prismcube.model.period import Period


class _Holds(Condition):
    """Operands: a text, a part of it."""

    sqlite = "instr({0}, {1}) > 0"
    postgresql = "strpos({0}, {1}) > 0"


@dataclass(frozen=True, kw_only=True)
class CollectionFilter:
    """All that is given must hold. A collection without data is at no place and no time."""

    boxes: tuple[Bounds, ...] | None = None
    """Longitude, latitude; the extent has a point in common with one of them."""
    period: Period | None = None
    """Its limits included; the extent reaches into it."""
    terms: tuple[str, ...] = ()
    """As `parse_terms` gives them; the texts of the collection hold one of them."""

    def conditions(self) -> list[ColumnElement[bool]]:
        c = collection.c
        found: list[ColumnElement[bool]] = []
        if self.boxes is not None:
            found.append(
                or_(
                    *(
                        and_(c.west <= one.east, c.east >= one.west, c.south <= one.north, c.north >= one.south)
                        for one in self.boxes
                    )
                )
            )
        if self.period is not None:
            found.append(c.start.is_not(None))
            if self.period.end is not None:
                found.append(c.start <= self.period.end)
            if self.period.start is not None:
                found.append(c.end >= self.period.start)
        if self.terms:
            found.append(or_(*(_Holds(c.words, bindparam(None, term, type_=Text())) for term in self.terms)))
        return found
