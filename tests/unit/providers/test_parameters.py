"""Query parameters: what is taken, what is refused, and by which name."""

from datetime import UTC, datetime

import pytest
from affine import Affine
from hypothesis import example, given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput, UnknownParameter
from prismcube.model.grid import Bounds, Grid
from providers.ogc.coverage.subset import parse_scale_size, parse_subset
from providers.ogc.negotiate import choose_format
from providers.ogc.params import Query, parse_bbox, parse_crs_parameter, parse_number, parse_wkt

NATIVE = Grid("EPSG:3035", Affine(10, 0, 5271980, 0, -10, 2533000), 100, 100)
GEOGRAPHIC = Grid("EPSG:4326", Affine(0.1, 0, 10, 0, -0.1, 50), 100, 100)


def test_unknown_parameters_tell_the_known_ones():
    with pytest.raises(UnknownParameter, match="knows bbox, f") as caught:
        Query([("colour", "red")], known=("f", "bbox"))
    assert caught.value.parameter == "colour"


def test_a_parameter_given_twice_is_refused_unless_repeatable():
    pairs = [("subset", "E(1:2)"), ("subset", "N(1:2)")]
    assert Query(pairs, known=("subset",), repeatable=("subset",)).texts("subset") == ["E(1:2)", "N(1:2)"]
    with pytest.raises(InvalidInput, match="more than once"):
        Query(pairs, known=("subset",))


@given(st.text(max_size=40))
def test_no_text_breaks_a_number(text):
    try:
        assert parse_number(text, "p") == float(text)
    except InvalidInput as error:
        assert error.parameter == "p"


@given(st.floats(-1e12, 1e12))
def test_every_number_that_is_written_is_read(value):
    assert parse_number(repr(value), "p") == value


@given(st.tuples(*[st.floats(-80, 80)] * 2), st.tuples(*[st.floats(0.001, 9)] * 2))
def test_a_box_reads_the_same_in_both_axis_orders(corner, size):
    west, south = corner
    east, north = west + size[0], south + size[1]
    bounds = Bounds(west, south, east, north)
    assert parse_bbox(f"{west!r},{south!r},{east!r},{north!r}", crs="OGC:CRS84") == bounds
    assert parse_bbox(f"{south!r},{west!r},{north!r},{east!r}", crs="EPSG:4326") == bounds
    assert parse_bbox(",".join(map(repr, bounds.in_axis_order("EPSG:3035"))), crs="EPSG:3035") == bounds


@pytest.mark.parametrize(
    "text",
    [
        "http://www.opengis.net/def/crs/EPSG/0/3035",
        "https://www.opengis.net/def/crs/EPSG/9.9.1/3035",
        "urn:ogc:def:crs:EPSG::3035",
        "urn:ogc:def:crs:EPSG:9.9:3035",
        "[EPSG:3035]",
        "EPSG:3035",
        "epsg:3035",
    ],
)
def test_a_crs_has_many_spellings(text):
    assert parse_crs_parameter(text, "crs") == "EPSG:3035"


@pytest.mark.parametrize(
    "text", ["CRS84", "crs84", "CRS:84", "OGC:CRS84", "http://www.opengis.net/def/crs/OGC/1.3/CRS84"]
)
def test_longitude_and_latitude_have_short_names(text):
    assert parse_crs_parameter(text, "crs") == "OGC:CRS84"


@pytest.mark.parametrize(
    "text",
    [
        "3035",
        "+proj=longlat",
        "EPSG:abc",
        "EPSG:4979x",
        "/etc/passwd",
        "EPSG:5714",
        "EPSG:4978",
        "",
        "x" * 9999,
        "EPSG:٣٠٣٥",
    ],
)
def test_what_is_no_crs_is_refused_by_name(text):
    with pytest.raises(InvalidInput) as caught:
        parse_crs_parameter(text, "bbox-crs")
    assert caught.value.parameter == "bbox-crs"


@given(st.text(max_size=60))
@example("CIRCULARSTRING(0 0,1 1,2 0)")
def test_no_text_breaks_a_geometry(text):
    try:
        parse_wkt(text, kinds=("POINT",), max_vertices=10)
    except InvalidInput as error:
        assert error.parameter == "coords"


@given(st.lists(st.text(alphabet="ENxy LatLontime():,*\"'0123456789.-TZ", max_size=40), max_size=3))
def test_no_text_breaks_a_subset(texts):
    try:
        parse_subset(texts, NATIVE)
    except InvalidInput as error:
        assert error.parameter in ("subset", "datetime", "bbox")


@given(st.floats(5271980, 5272900), st.floats(0, 80))
def test_a_subset_on_one_axis_leaves_the_other_whole(low, size):
    found = parse_subset([f"E({low!r}:{low + size!r})"], NATIVE)
    assert found.bounds == Bounds(low, NATIVE.bounds.south, low + size, NATIVE.bounds.north)
    assert found.crs == "EPSG:3035"


def test_axes_of_a_geographic_collection_are_degrees():
    found = parse_subset(["Lon(12:13),Lat(41:*)"], GEOGRAPHIC)
    assert (found.bounds, found.crs) == (Bounds(12, 41, 13, 50), "OGC:CRS84")


INSTANT = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ('time("2020-01-02T03:04:05Z")', INSTANT, INSTANT),
        ("time(2020-01-02T03:04:05Z)", INSTANT, INSTANT),
        ("time(2020-01-02T03:04:05Z:2020-01-02T03:04:05Z)", INSTANT, INSTANT),
        ('t("2020-01-02T03:04:05Z":*)', INSTANT, None),
        ('datetime(*:"2020-01-02T03:04:05+00:00")', None, INSTANT),
    ],
)
def test_times_have_colons_of_their_own(text, start, end):
    period = parse_subset([text], NATIVE).period
    assert (period.start, period.end) == (start, end)


def test_a_day_is_the_whole_day():
    period = parse_subset(["time(2020-01-02)"], NATIVE).period
    assert period.start == datetime(2020, 1, 2, tzinfo=UTC)
    assert period.end == datetime(2020, 1, 2, 23, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "size"),
    [("E(20),N(10)", (20, 10)), ("N(10)", (None, 10)), ("Lon(7),Lat(5)", (7, 5)), (" x(3) , y(4) ", (3, 4))],
)
def test_scale_size(text, size):
    assert parse_scale_size(text, NATIVE) == size


FORMATS = {"geotiff": "image/tiff; application=geotiff", "png": "image/png", "json": "application/json"}


@pytest.mark.parametrize(
    ("f", "accept", "chosen"),
    [
        (None, "", "geotiff"),
        (None, "*/*", "geotiff"),
        (None, "image/png", "png"),
        (None, "image/png;q=0.1, application/json", "json"),
        (None, "image/png;q=0, */*", "geotiff"),
        (None, "image/png;q=high", "geotiff"),
        (None, "nonsense", "geotiff"),
        ("png", "application/json", "png"),
        ("PNG", "", "png"),
        ("image/png", "", "png"),
        ("image/tiff", "", "geotiff"),
    ],
)
def test_the_format(f, accept, chosen):
    assert choose_format(f, accept, FORMATS) == chosen


def test_an_unknown_format_is_refused():
    with pytest.raises(InvalidInput, match="f: 'exe' is not one of geotiff, png, json"):
        choose_format("exe", "image/png", FORMATS)
