"""Collections: as they were put, with the extent of what they hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from prismcube.errors import InvalidInput, NotFound
from prismcube.model.collection import Collection, ComputedField, RGBStyle, StoredField
from prismcube.model.expression import Expression
from prismcube.model.grid import Bounds
from prismcube.model.mask import MaskRule


def full(archive: Any, make: Any) -> Collection:
    return Collection(
        name="w-1.a_b",
        title="T",
        description="D",
        attribution="A",
        license="L",
        keywords=("k1", "k2"),
        fields=(
            StoredField(name="a", instance_id=archive.instances[0], band=0, format=make.FORMAT, unit="1"),
            StoredField(name="b", instance_id=archive.instances[0], band=1, format=make.FORMAT, description="d"),
            ComputedField(name="n", expression=Expression("(a - b) / (a + b)"), minimum=-1, maximum=1),
        ),
        masks=(MaskRule.parse("a:!bits:3,4", name="m", default_for=("n",)), MaskRule.parse("b:1-3", name="o")),
        record_tags={"k": "v"},
        group="day",
        style=RGBStyle(fields=("n",), ranges=((-0.5, 1.0),)),
    )


def test_comes_back_as_it_was_put(archive: Any, make: Any) -> None:
    wanted = full(archive, make)
    stored = archive.catalogue.collections.put(wanted)[0]
    assert replace(stored, id=None) == wanted
    assert archive.catalogue.collections.get(wanted.name) == stored
    changed = replace(wanted, fields=wanted.fields[:2], masks=(), style=None, record_tags={}, title="new")
    again = archive.catalogue.collections.put(changed)[0]
    assert replace(again, id=None) == changed
    assert again.id == stored.id


def test_format_and_resampling_are_the_variables(archive: Any, make: Any) -> None:
    archive.collection()
    archive.catalogue.variables.put(replace(archive.variable, resampling="cubic"))
    assert archive.catalogue.collections.get("c").stored_fields[0].resampling == "cubic"


def test_list_is_paged_by_name(archive: Any) -> None:
    names = sorted(["b", "a", "Z", "a.b", "a-b", "a_b", "10", "9"])
    for name in reversed(names):
        archive.collection(name)
    pages, after = [], None
    while page := archive.catalogue.collections.list(after=after and (after,), limit=3):
        pages += [one.name for one in page]
        after = pages[-1]
    assert pages == names


def test_delete(archive: Any) -> None:
    archive.collection()
    archive.catalogue.collections.remove("c")
    for call in (archive.catalogue.collections.get, archive.catalogue.collections.remove):
        with pytest.raises(NotFound, match="no collection 'c'"):
            call("c")
    assert archive.catalogue.collections.using(archive.instances) == []
    archive.collection()


def test_put_refuses_fields_that_can_not_be_read(archive: Any, make: Any) -> None:
    field = StoredField(name="a", instance_id=99, band=0, format=make.FORMAT)
    with pytest.raises(NotFound, match="instance 99"):
        archive.catalogue.collections.put(Collection(name="c", fields=(field,)))
    field = replace(field, instance_id=archive.instances[0], band=2)
    with pytest.raises(InvalidInput, match="2 band"):
        archive.catalogue.collections.put(Collection(name="c", fields=(field,)))
    assert archive.catalogue.collections.list() == []


def test_an_instance_in_use_can_not_go(archive: Any) -> None:
    archive.collection()
    with pytest.raises(IntegrityError), archive.catalogue.transaction() as unit:
        unit.connection.exec_driver_sql("DELETE FROM instance")


def test_without_data_there_is_no_extent(archive: Any) -> None:
    archive.add("a", tags={"k": "v"})
    assert archive.collection("none", record_tags={"k": "w"}).extent is None
    assert archive.collection("other", instances=archive.instances[1:]).extent is None
    assert archive.catalogue.collections.put(Collection(name="bare"))[0].extent is None


def test_extent_covers_all_on_the_lattice_of_the_first_that_was_stored(archive: Any, make: Any) -> None:
    day = timedelta(days=1)
    archive.add("new", time=make.T0 + day, grid=make.grid(501_003, 5_000_000), footprint=make.square(15, 45))
    archive.add("old", time=make.T0, grid=make.grid(500_000, 5_000_007), footprint=make.square(16, 46))
    archive.add(
        "coarse", time=make.T0 - day, grid=make.grid(490_000, 5_000_000, pixel=60), footprint=make.square(9, 45)
    )
    extent = archive.collection().extent
    assert extent.bounds == Bounds(9, 45, 17, 47)
    assert (extent.start, extent.end) == (make.T0 - day, make.T0 + day)
    assert extent.native.crs == "EPSG:32633"
    assert extent.native.resolution == (10, 10)
    assert extent.native.pixel_offset(make.grid(501_003, 5_000_000)) is not None
    # West and south edge are the coarse one's, north edge the old one's, rounded out to the lattice of the new one.
    assert extent.native.bounds == Bounds(489_993, 4_994_000, 502_003, 5_000_010)


def test_of_equally_common_pixels_the_finest_is_native(archive: Any, make: Any) -> None:
    archive.add("metres", grid=make.grid(pixel=20))
    archive.add("degrees", grid=make.grid(15, 45, crs="EPSG:4326", pixel=0.001))  # about 110 m
    archive.add("fine", grid=make.grid(pixel=10))
    assert archive.collection().extent.native.resolution == (10, 10)
    archive.add("more degrees", grid=make.grid(16, 45, crs="EPSG:4326", pixel=0.001))
    native = archive.catalogue.collections.rebuild("c").extent.native
    assert native.crs == "EPSG:4326"
    for other in (make.grid(pixel=20), make.grid(pixel=10)):
        west, south, east, north = other.bounds.to_crs("EPSG:32633", "EPSG:4326").as_tuple()
        assert native.bounds.west <= west + 1e-9
        assert native.bounds.south <= south
        assert east <= native.bounds.east
        assert north <= native.bounds.north


def test_data_with_no_place_in_the_native_crs_is_left_out_of_the_grid(archive: Any, make: Any) -> None:
    archive.add("a")
    archive.add("b", grid=make.grid(pixel=10))
    far = make.grid(-180, 90, crs="EPSG:4326", pixel=0.1)
    archive.add("far", grid=far, footprint=make.square(-180, 80, 10))
    extent = archive.collection().extent
    assert extent.bounds == Bounds(-180, 45, 16, 90)
    assert extent.native.crs == "EPSG:32633"


def test_using_names_the_collections_of_an_instance(archive: Any) -> None:
    archive.collection("both", instances=archive.instances)
    archive.collection("first")
    assert archive.catalogue.collections.using(archive.instances[:1]) == ["both", "first"]
    assert archive.catalogue.collections.using(archive.instances[1:]) == ["both"]
    assert archive.catalogue.collections.using([]) == []
