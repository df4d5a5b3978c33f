"""What a change of datasets changes for the collections that show them.

    publish -> _affected      the collections with fields of these instances, and which of the datasets are theirs
            -> _tell          outbox rows: where and when readers see something else
            -> _count_*       how many datasets at each time, and of each CRS and pixel size
            -> store_extent   follows from these counts, whatever the number of datasets

All in the transaction of the change itself. Counts grow and shrink by what changed; the datasets are gone through again
only by `rebuild`, when a collection is defined anew, and for a CRS and pixel size whose outermost dataset went.
tests/integration/catalogue/test_changes.py holds the counts against those of `rebuild`.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import batched
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, update

from prismcube.catalogue.bulk import CHUNK
from prismcube.catalogue.filters import visible
from prismcube.catalogue.tables import collection, collection_grid, collection_time, dataset, field, outbox, record
from prismcube.catalogue.types import UTCDateTime, grid_of
from prismcube.errors import InvalidInput
from prismcube.model.collection import Extent, matches_tags
from prismcube.model.grid import CRS84, Bounds, Grid, parse_crs

FOOTPRINTS = 16
"""Outbox rows a change and collection; of more footprints than these, one row has the union."""

_EARTH_RADIUS = 6_371_000.0
"""Metres; turns pixel sizes in degrees into comparable ones."""

_D, _G, _T = dataset.c, collection_grid.c, collection_time.c

AFFECTED = (
    select(collection.c.id, collection.c.name, collection.c.record_tags)
    .join(field, field.c.collection_id == collection.c.id)
    .where(field.c.instance_id.in_(bindparam("instances", expanding=True)))
    .distinct()
    .order_by(collection.c.id)
)
INSTANCES_OF = (
    select(field.c.instance_id)
    .where(field.c.collection_id == bindparam("key"), field.c.instance_id.is_not(None))
    .distinct()
)
DATASETS = (  # what readers may see of them
    select(
        _D.id, _D.instance_id, _D.time, _D.footprint, _D.crs, _D.x0, _D.y0, _D.dx, _D.dy, _D.width, _D.height,
        _D.left, _D.bottom, _D.right, _D.top, record.c.tags,
    )
    .join(record, record.c.id == _D.record_id)
    .where(_D.id.in_(bindparam("ids", expanding=True)), _D.status == "active")
)  # fmt: skip
COUNT_TIMES = text(
    "INSERT INTO collection_time (collection_id, time, number) VALUES (:key, :time, :change) "
    "ON CONFLICT (collection_id, time) DO UPDATE SET number = collection_time.number + excluded.number"
).bindparams(bindparam("time", type_=UTCDateTime()))
FORGET_TIMES = delete(collection_time).where(_T.collection_id == bindparam("key"), _T.number <= 0)
_OF_GROUP = (
    _G.collection_id == bindparam("key"),
    _G.digest == bindparam("of_crs"),
    _G.dx == bindparam("of_dx"),
    _G.dy == bindparam("of_dy"),
)
GROUP = select(collection_grid).where(*_OF_GROUP)
DELETE_GROUP = delete(collection_grid).where(*_OF_GROUP)
GROUPS = select(  # of the datasets themselves
    _D.crs,
    _D.dx,
    _D.dy,
    func.count().label("number"),
    func.min(_D.id).label("anchor"),
    func.min(_D.west).label("west"),
    func.min(_D.south).label("south"),
    func.max(_D.east).label("east"),
    func.max(_D.north).label("north"),
    func.min(_D.left).label("left"),
    func.min(_D.bottom).label("bottom"),
    func.max(_D.right).label("right"),
    func.max(_D.top).label("top"),
).group_by(_D.crs, _D.dx, _D.dy)
CORNERS = select(_D.id, _D.x0, _D.y0).where(_D.id.in_(bindparam("ids", expanding=True)))
COMMONEST = select(collection_grid).where(
    _G.collection_id == bindparam("key"),
    _G.number == select(func.max(_G.number)).where(_G.collection_id == bindparam("key")).scalar_subquery(),
)
BOXES = (  # of each CRS
    select(
        _G.crs,
        func.min(_G.west).label("west"),
        func.min(_G.south).label("south"),
        func.max(_G.east).label("east"),
        func.max(_G.north).label("north"),
        func.min(_G.left).label("left"),
        func.min(_G.bottom).label("bottom"),
        func.max(_G.right).label("right"),
        func.max(_G.top).label("top"),
    )
    .where(_G.collection_id == bindparam("key"))
    .group_by(_G.crs)
)
SPAN = select(
    select(func.min(_T.time)).where(_T.collection_id == bindparam("key")).scalar_subquery().label("start"),
    select(func.max(_T.time)).where(_T.collection_id == bindparam("key")).scalar_subquery().label("end"),
)
EMPTY = dict.fromkeys(("west", "south", "east", "north", "start", "end", "native"))
_EDGES = (("west", "left", min), ("south", "bottom", min), ("east", "right", max), ("north", "top", max))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What readers see of an active dataset."""

    id: int
    instance_id: int
    tags: Mapping[str, str]
    """The record's."""
    time: datetime
    footprint: BaseGeometry
    grid: Grid
    covered: Bounds
    """Of the grid: beyond it are no data. What collections span, so that a file in larger cells makes none larger."""


def seen(connection: Connection, ids: Iterable[int]) -> list[Seen]:
    """What readers see of these datasets; nothing of those that are not active."""
    wanted = sorted(set(ids))
    return [
        Seen(
            id=row.id,
            instance_id=row.instance_id,
            tags=row.tags,
            time=row.time,
            footprint=row.footprint,
            grid=grid_of(row.crs, row.x0, row.y0, row.dx, row.dy, row.width, row.height),
            covered=Bounds(row.left, row.bottom, row.right, row.top),
        )
        for some in batched(wanted, CHUNK)
        for row in connection.execute(DATASETS, {"ids": some})
    ]


def publish(connection: Connection, *, added: Sequence[Seen] = (), removed: Sequence[Seen] = ()) -> None:
    """Bring all collections up to date after datasets came and went; one that changed is in both lists."""
    instances = {one.instance_id for one in (*added, *removed)}
    for row in connection.execute(AFFECTED, {"instances": sorted(instances)}).all():
        members = {*connection.scalars(INSTANCES_OF, {"key": row.id})}
        here = [
            [one for one in some if one.instance_id in members and matches_tags(row.record_tags, one.tags)]
            for some in (added, removed)
        ]
        if not any(here):
            continue
        plus, minus = here
        tell_data(connection, row.name, [*plus, *minus])
        _count_times(connection, row.id, plus, minus)
        _count_grids(connection, row, members, plus, minus)
        store_extent(connection, row.id)


def tell_data(connection: Connection, name: str, changed: Sequence[Seen]) -> None:
    """Write where and when the data of a collection have changed."""
    times: defaultdict[bytes, list[datetime]] = defaultdict(list)
    footprints: dict[bytes, BaseGeometry] = {}
    for one in changed:
        key = shapely.to_wkb(one.footprint)
        times[key].append(one.time)
        footprints[key] = one.footprint
    spans = [(footprints[key], min(some), max(some)) for key, some in times.items()]
    if len(spans) > FOOTPRINTS:
        union = shapely.union_all(list(footprints.values()))
        spans = [(union, min(span[1] for span in spans), max(span[2] for span in spans))]
    for footprint, start, end in spans:
        tell(connection, name, "data", footprint=footprint, start=start, end=end)


def tell(
    connection: Connection,
    name: str,
    kind: str,
    *,
    footprint: BaseGeometry | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> None:
    """Write that a collection has changed: `data`, `definition` or `deleted`; without a place, everywhere."""
    values = {"time": datetime.now(UTC), "collection": name, "kind": kind}
    connection.execute(insert(outbox), {**values, "footprint": footprint, "start": start, "end": end})


def rebuild(connection: Connection, id: int, tags: Mapping[str, str]) -> None:
    """Count a collection's datasets anew."""
    connection.execute(delete(collection_time).where(_T.collection_id == id))
    connection.execute(delete(collection_grid).where(_G.collection_id == id))
    theirs = visible({*connection.scalars(INSTANCES_OF, {"key": id})}, tags)
    by_time = select(bindparam("key", id, type_=_T.collection_id.type), _D.time, func.count()).where(theirs)
    columns = ["collection_id", "time", "number"]
    connection.execute(insert(collection_time).from_select(columns, by_time.group_by(_D.time)))
    groups = [dict(row._mapping) for row in connection.execute(GROUPS.where(theirs))]
    corners: dict[int, Any] = {}
    anchors = sorted(group["anchor"] for group in groups)
    for some in batched(anchors, CHUNK):
        corners.update((row.id, row) for row in connection.execute(CORNERS, {"ids": some}))
    for one in groups:
        corner = corners[one["anchor"]]
        one |= {"collection_id": id, "digest": _digest(one["crs"]), "x0": corner.x0, "y0": corner.y0}
    if groups:
        connection.execute(insert(collection_grid), groups)
    store_extent(connection, id)


def _count_times(connection: Connection, id: int, plus: Sequence[Seen], minus: Sequence[Seen]) -> None:
    change = Counter(one.time for one in plus)
    change.subtract(one.time for one in minus)
    rows = [{"key": id, "time": time, "change": number} for time, number in change.items() if number]
    if rows:
        connection.execute(COUNT_TIMES, rows)
    if any(number < 0 for number in change.values()):
        connection.execute(FORGET_TIMES, {"key": id})


def _count_grids(
    connection: Connection, of: Any, members: set[int], plus: Sequence[Seen], minus: Sequence[Seen]
) -> None:
    groups: defaultdict[tuple[str, float, float], tuple[list[Seen], list[Seen]]] = defaultdict(lambda: ([], []))
    for side, some in enumerate((plus, minus)):
        for one in some:
            groups[one.grid.crs, *one.grid.resolution][side].append(one)
    for (crs, dx, dy), (came, went) in groups.items():
        key = {"key": of.id, "of_crs": _digest(crs), "of_dx": dx, "of_dy": dy}
        row = connection.execute(GROUP, key).one_or_none()
        stored = None if row is None else dict(row._mapping)
        merged = _merged(stored, came, went)
        if merged is None:  # the outermost went, or the anchor
            theirs = visible(members, of.record_tags)
            same = (_D.crs == crs, _D.dx == dx, _D.dy == dy)
            found = connection.execute(GROUPS.where(theirs, *same)).one_or_none()
            if found is not None:
                corner = connection.execute(CORNERS, {"ids": [found.anchor]}).one()
                merged = {**found._mapping, "x0": corner.x0, "y0": corner.y0}
        if stored is not None:
            connection.execute(DELETE_GROUP, key)
        if merged is not None:
            values = {**merged, "collection_id": of.id, "digest": _digest(crs), "crs": crs, "dx": dx, "dy": dy}
            connection.execute(insert(collection_grid), values)


def _merged(stored: dict[str, Any] | None, came: Sequence[Seen], went: Sequence[Seen]) -> dict[str, Any] | None:
    """The row of a CRS and pixel size after a change; None when only the datasets themselves can tell."""
    boxes = [_box(one) for one in came]
    if stored is not None:
        if any(_bounds_touch(stored, one) for one in went):
            return None
        boxes.append(stored)
    elif went:
        return None
    first = min(came, key=lambda one: one.id, default=None)
    number = len(came) - len(went) + (stored["number"] if stored else 0)
    if not boxes or number <= 0:
        return None
    if stored is not None and (first is None or stored["anchor"] < first.id):
        anchor = {name: stored[name] for name in ("anchor", "x0", "y0")}
    elif first is not None:
        anchor = {"anchor": first.id, "x0": first.grid.transform.c, "y0": first.grid.transform.f}
    outermost = {name: most(one[name] for one in boxes) for *names, most in _EDGES for name in names}
    return {"number": number, **anchor, **outermost}


def _box(one: Seen) -> dict[str, float]:
    west, south, east, north = one.footprint.bounds
    covered = one.covered
    in_crs = {"left": covered.west, "bottom": covered.south, "right": covered.east, "top": covered.north}
    return {"west": west, "south": south, "east": east, "north": north, **in_crs}


def _bounds_touch(stored: Mapping[str, Any], one: Seen) -> bool:
    """True when the group's row may change for another reason than its number if the dataset goes."""
    box = _box(one)
    inside = all(
        (stored[name] < box[name]) if most is min else (stored[name] > box[name])
        for *names, most in _EDGES
        for name in names
    )
    return stored["anchor"] == one.id or not inside


def store_extent(connection: Connection, id: int) -> None:
    """Bring the extent of a collection in line with its counts."""
    extent = extent_of(connection, id)
    values = EMPTY
    if extent is not None:
        bounds = dict(zip(("west", "south", "east", "north"), extent.bounds.as_tuple(), strict=True))
        values = {**bounds, "start": extent.start, "end": extent.end, "native": extent.native}
    connection.execute(update(collection).where(collection.c.id == id).values(values))


def extent_of(connection: Connection, id: int) -> Extent | None:
    """Where and when a collection has data, and on which grid most of it lies; None without any.

    Bounds of data on both sides of the date line span all longitudes.
    """
    span = connection.execute(SPAN, {"key": id}).one()
    if span.start is None:
        return None
    best = min(connection.execute(COMMONEST, {"key": id}), key=_rank)
    bounds: Bounds | None = None
    covered: Bounds | None = None
    for row in connection.execute(BOXES, {"key": id}).all():
        here = Bounds(row.west, row.south, row.east, row.north)
        bounds = here.union(bounds) if bounds else here
        inside = Bounds(row.left, row.bottom, row.right, row.top) if row.crs == best.crs else _within(here, best.crs)
        if inside is not None:
            covered = inside.union(covered) if covered else inside
    if bounds is None or covered is None:
        raise AssertionError("a collection with times has grids")
    lattice = grid_of(best.crs, best.x0, best.y0, best.dx, best.dy, 1, 1)
    return Extent(bounds=bounds, start=span.start, end=span.end, native=lattice.window(covered))


def _within(box: Bounds, crs: str) -> Bounds | None:
    """A box of longitudes and latitudes in a CRS; None when it has no place there (a UTM zone, half a world away).

    One across the date line, which spans all longitudes, counts as far as the CRS is meant to be used.
    """
    use = parse_crs(crs).area_of_use
    if box.east - box.west > 180 and use is not None and use.west < use.east:
        box = Bounds(max(box.west, use.west), box.south, min(box.east, use.east), box.north)
    try:
        return box.to_crs(CRS84, crs)
    except InvalidInput:
        return None


def _rank(group: Any) -> tuple[Any, ...]:
    """The least is the native one: of the most common CRSs and pixel sizes the finest; else any order that stays."""
    return _metres(group), group.crs, group.dx, group.dy


def _digest(crs: str) -> str:
    return hashlib.sha256(crs.encode()).hexdigest()


def _metres(pixel: Any) -> float:
    """About the side of a pixel, in metres."""
    crs = parse_crs(pixel.crs)
    unit = crs.axis_info[0].unit_conversion_factor * (_EARTH_RADIUS if crs.is_geographic else 1.0)
    return math.sqrt(pixel.dx * pixel.dy) * unit
