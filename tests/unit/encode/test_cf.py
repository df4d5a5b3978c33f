"""What files say of themselves in the terms of CF, before anything is written."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from prismcube.encode import cf
from prismcube.model.cube import CubeHeader, OutputField, SliceStatus, Step
from prismcube.model.formats import DTYPES, DataFormat
from prismcube.model.grid import Grid
from prismcube.model.series import Series

FIELD = OutputField("B4", DataFormat(dtype="uint16", nodata=0), "1", "red")
DAY = datetime(2020, 1, 1, tzinfo=UTC)


def described(crs="EPSG:32632", *, fields=(FIELD,)):
    file = cf.describe(CubeHeader(Grid(crs, Affine(2, 0, 10, 0, -1, 50), 3, 4), fields, (Step(DAY, DAY, ("R",)),)))
    return file, {one.name: one for one in file.variables}


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=1, max_size=5))
def test_times_are_kept_to_the_microsecond(times):
    values, attributes = cf.instants(times)
    unit = {"seconds": "s", "microseconds": "us"}[attributes["units"].split()[0]]
    back = np.datetime64("1970-01-01T00:00:00", "us") + values.astype(f"timedelta64[{unit}]")
    assert back.tolist() == [time.replace(tzinfo=None) for time in times]


@pytest.mark.parametrize(
    ("time", "calendar"),
    [(datetime(1582, 10, 15, tzinfo=UTC), "standard"), (datetime(1582, 10, 14, tzinfo=UTC), "proleptic_gregorian")],
)
def test_the_calendar_is_named_where_the_standard_one_differs(time, calendar):
    assert cf.instants([time])[1]["calendar"] == calendar


@pytest.mark.parametrize(
    ("crs", "y", "units"),
    [
        ("EPSG:4326", "latitude", "degrees_north"),
        ("OGC:CRS84", "latitude", "degrees_north"),
        ("EPSG:3035", "y", "metre"),  # north first
        ("EPSG:3031", "y", "metre"),  # both axes point north
        ("EPSG:2263", "y", "0.304800609601219 metre"),  # US survey feet
        ("EPSG:4807", "y", "grad"),  # angles that are not degrees
        ("ESRI:54053", "y", "metre"),  # no grid mapping of CF
        ("+proj=sinu +R=6371007.181 +units=m", "y", "metre"),
    ],
)
def test_axes_are_named_and_measured_as_their_crs_says(crs, y, units):
    file, variables = described(crs)
    axis = variables[y]
    assert axis.attributes["units"] == units
    assert axis.attributes["axis"] == "Y"
    assert axis.values.tolist() == [49.5, 48.5, 47.5]
    assert file.fields[0].dimensions == ("time", y, "longitude" if y == "latitude" else "x")
    mapping = variables["spatial_ref"].attributes
    assert CRS(mapping["crs_wkt"]) == CRS(crs)
    assert mapping["GeoTransform"] == "10.0 2.0 0.0 50.0 0.0 -1.0"


def test_the_file_reports_how_each_step_ended():
    file, _ = described()
    ends = [(SliceStatus.OK, ""), (SliceStatus.FAILED, "gone"), (SliceStatus.EMPTY, "")]
    status, message = cf.report(file.names, ends)
    meanings = status.attributes["flag_meanings"].split()
    assert [meanings[one] for one in status.values] == ["ok", "failed", "empty"]
    assert message.values.tolist() == ["", "gone", ""]


def test_other_variables_make_way_for_fields():
    fields = tuple(OutputField(name, FIELD.format) for name in ("time", "time_", "status"))
    file, variables = described(fields=fields)
    assert file.names.time == "time__"
    assert file.names.status == "status_"
    assert not {field.name for field in fields} & set(variables)
    assert file.fields[0].dimensions[0] == "time__"


@pytest.mark.parametrize("dtype", DTYPES)
def test_fill_values_have_the_type_of_their_field(dtype):
    fill = cf.fill_value(DataFormat(dtype=dtype, nodata=7))
    assert fill == 7
    assert fill.dtype == dtype
    without = cf.fill_value(DataFormat(dtype=dtype))
    assert without is None if not dtype.startswith("float") else math.isnan(without)


DAYS = tuple(Step(day, day, ("R",)) for day in (datetime(2020, 1, number, tzinfo=UTC) for number in (1, 2, 3)))
ENDS = ((SliceStatus.OK, ""),) * 3


def series(*columns, x, y):
    """The variables of B4 at some places; each column is (values, valid) of a place."""
    data = np.array([values for values, _ in columns], dtype=np.uint16).T
    valid = np.array([mask for _, mask in columns], dtype=bool).T
    file = cf.describe_series(
        Series(
            crs="OGC:CRS84",
            x=np.array(x),
            y=np.array(y),
            fields=(FIELD,),
            steps=DAYS,
            data=(data,),
            valid=(valid,),
            ends=ENDS,
        )
    )
    return file, {one.name: one for one in file.variables}


def test_the_series_of_a_place_has_its_place_in_scalars_and_nothing_where_it_is_not_valid():
    file, variables = series(([5, 6, 7], [True, False, True]), x=[8.5], y=[45.25])
    assert file.sizes == {"time": 3}
    assert file.attributes["featureType"] == "timeSeries"
    assert variables["B4"].values.tolist() == [5, 0, 7]
    assert variables["B4"].fill == 0
    assert variables["B4"].attributes["coordinates"] == "latitude longitude station"
    assert variables["longitude"].values == 8.5
    assert variables["latitude"].dimensions == ()
    assert variables["station"].attributes["cf_role"] == "timeseries_id"


def test_several_places_are_stations():
    file, variables = series(([5, 6, 7], [True] * 3), ([1, 2, 3], [False, True, True]), x=[8.5, 9], y=[45, 46])
    assert file.sizes == {"time": 3, "station": 2}
    assert variables["B4"].dimensions == ("time", "station")
    assert variables["B4"].values.tolist() == [[5, 0], [6, 2], [7, 3]]
    assert variables["latitude"].values.tolist() == [45, 46]
    assert variables["station"].values.tolist() == [0, 1]
