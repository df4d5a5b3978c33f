"""Every raster among the shared data is stored and found where it lies, or refused for the reason that is expected."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

import pytest

from ingester.validation import check_dataset, dataset_of
from prismcube.catalogue import Catalogue, Change, FileEntry, Holding
from prismcube.catalogue.datasets import DatasetFilter
from prismcube.errors import SourceError
from prismcube.model.entities import Container, Instance, Record, Variable
from prismcube.model.formats import DataFormat
from prismcube.raster.inspect import RasterInfo, inspect

RASTERS = (".tif", ".tiff", ".jp2", ".png", ".jpg", ".vrt", ".zip")
REFUSED = {
    "eox-autotest/asar/*": "ground control points only",
    "eox-autotest/expected/*.jpg": "no coordinate reference system",
    "*.vrt": "is of format VRT",
    "safe-s1/*/measurement/*.tiff": "not recognized as being in a supported file format",  # placeholders without pixels
    "safe-s1/*.png": "no coordinate reference system",
    "safe-s2/*.zip": "name one of its members",
}
"""Reason by pattern of the path. (The README of the data tells the same.)"""
TAKEN = {
    "demo": 146,
    "eox-autotest": 14,
    "geocube-tutorial-32UNG-2019": 32,
    "l8-ny-2018": 228,
    "mod13q1-sinop": 12,
    "s2-eopatch-slovenia-2015-2017": 4,
    "s2-l2a-33T-2023": 112,
    "s2-l2a-antimeridian-2023": 10,
}
TIME = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def inspected(shared_data: Path) -> dict[str, RasterInfo | SourceError]:
    found: dict[str, RasterInfo | SourceError] = {}
    for file in sorted(shared_data.rglob("*")):
        if file.suffix.lower() in RASTERS:
            try:
                found[file.relative_to(shared_data).as_posix()] = inspect(str(file))
            except SourceError as error:
                found[file.relative_to(shared_data).as_posix()] = error
    return found


def test_refusals_are_those_that_are_expected(inspected: dict[str, RasterInfo | SourceError]) -> None:
    refused = {name: one for name, one in inspected.items() if isinstance(one, SourceError)}
    for name, error in refused.items():
        [reason] = [reason for pattern, reason in REFUSED.items() if fnmatch(name, pattern)]
        assert reason in error.reason, name
        assert error.uri.endswith(name.rpartition("/")[2]), name
    assert {pattern for pattern in REFUSED if any(fnmatch(name, pattern) for name in refused)} == set(REFUSED)


def test_all_others_are_stored_and_found_where_they_lie(
    catalogue: Catalogue, inspected: dict[str, RasterInfo | SourceError]
) -> None:
    infos = {name: one for name, one in inspected.items() if isinstance(one, RasterInfo)}
    taken = {folder: sum(name.startswith(f"{folder}/") for name in infos) for folder in TAKEN}
    assert taken == TAKEN
    assert sum(taken.values()) == len(infos)
    variables: dict[tuple[str, int], tuple[Variable, int]] = {}
    entries = []
    for name, info in infos.items():
        key = (info.dtypes[0], info.count)
        if key not in variables:
            bands = tuple(f"b{i}" for i in range(info.count))
            format = DataFormat(dtype=info.dtypes[0])
            variable, _ = catalogue.variables.put(Variable(name=f"{key[0]} {key[1]}", bands=bands, format=format))
            instance = catalogue.instances.create(Instance(variable_id=variable.id or 0, name="i"))
            variables[key] = variable, instance.id or 0
        variable, instance_id = variables[key]
        parts = check_dataset(info, bands=range(1, info.count + 1), variable=variable)
        dataset = dataset_of(info, parts, instance_id=instance_id, time=TIME)
        holding = Holding(record=Record(name=name, time=TIME), datasets=(dataset,))
        entries.append(FileEntry(container=Container(uri=info.uri, etag=info.etag), holdings=(holding,)))
    assert set(catalogue.files.put_many(entries)) == {Change.CREATED}
    assert set(catalogue.files.put_many(entries)) == {Change.UNCHANGED}
    for name, info in infos.items():
        for part in info.footprint.geoms:  # two on both sides of the date line
            place = DatasetFilter(area=part.representative_point())
            found = catalogue.datasets.list(place, limit=1000)
            assert info.uri in {one.uri for one in found}, name
            assert all(one.footprint.intersects(part) for one in found)
