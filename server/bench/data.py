"""What the benchmarks store: one place with very many dates, among many places with some.

File number `i` is of day `i // SHARE`: one file in `SHARE` lies on place 0, which so has every day, the others take
turns on the other places. Each file is one dataset of a record of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from affine import Affine
from shapely.geometry import MultiPolygon, Polygon, box

from prismcube.catalogue import Catalogue, FileEntry, Holding
from prismcube.model.collection import Collection, StoredField
from prismcube.model.entities import Container, Dataset, Instance, Record, Variable
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.period import Period

T0 = datetime(1990, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SHARE = 10
PLACES = 900
"""Beside the one with every day."""
DATES = 49
"""Found by the search for a place and period."""
ORBITS, SATELLITES = 1429, "AB"
FORMAT = DataFormat(dtype="uint16", nodata=0)
BATCH = 500
"""Files a call; the indexer takes some hundreds as well."""
PAGE = 100
"""Records or items a page."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is stored, and how often or long it is asked."""

    datasets: int
    """`SHARE` times as many as lie on place 0."""
    records: int
    """Stored without datasets, by `Records.create_many`."""
    repeats: int
    seconds: int
    """Of the load by several processes."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "on_one_place": self.datasets // SHARE, "found": DATES, "batch": BATCH}


SIZES = {
    "small": Size(datasets=2_000, records=10_000, repeats=20, seconds=5),
    "full": Size(datasets=100_000, records=100_000, repeats=200, seconds=60),
}


def collection(catalogue: Catalogue, *, tags: dict[str, str] | None = None) -> Collection:
    """The collection that all files belong to; with `tags`, another that has those of such records."""
    variable, _ = catalogue.variables.put(Variable(name="bench", bands=("band",), format=FORMAT))
    instance, _ = catalogue.instances.put(Instance(variable_id=variable.id or 0, name="files"))
    field = StoredField(name="band", instance_id=instance.id or 0, band=0, format=FORMAT)
    name = "bench-tagged" if tags else "bench"
    return catalogue.collections.put(Collection(name=name, fields=(field,), record_tags=tags or {}))[0]


def files(first: int, number: int, instance_id: int) -> list[FileEntry]:
    """Files of these numbers; ids are the catalogue's to give."""
    return [_file(at, instance_id) for at in range(first, first + number)]


def records(first: int, number: int) -> list[Record]:
    """Records without datasets, from long after those of the files."""
    return [
        Record(name=f"R_{at:07}", time=T0 + 40_000 * DAY + at * timedelta(minutes=1), tags=tags_of(at))
        for at in range(first, first + number)
    ]


def batches(number: int) -> Iterator[tuple[int, int]]:
    """(first, how many) of the parts that are stored at once."""
    return ((first, min(BATCH, number - first)) for first in range(0, number, BATCH))


def place_of(at: int) -> int:
    return 0 if at % SHARE == 0 else 1 + (at // SHARE + 100 * (at % SHARE)) % PLACES


def corner_of(place: int) -> tuple[float, float]:
    """Longitude and latitude of the lower left corner of a place; it is one degree wide and high."""
    return -170.0 + 5 * (place % 60), -60.0 + 5 * (place // 60)


def footprint_of(place: int) -> MultiPolygon:
    lon, lat = corner_of(place)
    return MultiPolygon([box(lon, lat, lon + 1, lat + 1)])


def tags_of(at: int) -> dict[str, str]:
    """`orbit` has many values with few records each, `satellite` two."""
    return {"orbit": str(at % ORBITS), "satellite": SATELLITES[at % 2], "scene": str(at)}


def name_of(at: int) -> str:
    """Of the record of a file."""
    return f"S2_{place_of(at):03}_{at:07}"


def area_of(place: int) -> Polygon:
    """Within the place."""
    lon, lat = corner_of(place)
    return box(lon + 0.25, lat + 0.25, lon + 0.75, lat + 0.75)


def period_of(day: int, days: int = DATES) -> Period:
    return Period(T0 + day * DAY, T0 + (day + days - 1) * DAY)


def _file(at: int, instance_id: int) -> FileEntry:
    place, time = place_of(at), T0 + at // SHARE * DAY
    dataset = Dataset(
        record_id=0,
        instance_id=instance_id,
        container_id=0,
        time=time,
        uri="",
        bands=(1,),
        format=FORMAT,
        mapping=ValueMapping(),
        grid=Grid("EPSG:32633", Affine(10, 0, 500_000 + 1000 * place, 0, -10, 5_000_000), 100, 100),
        footprint=footprint_of(place),
    )
    record = Record(name=name_of(at), time=time, tags=tags_of(at))
    container = Container(uri=f"s3://bench/{place:03}/{at:07}.tif", etag="1")
    return FileEntry(container=container, holdings=(Holding(record=record, datasets=(dataset,)),))
