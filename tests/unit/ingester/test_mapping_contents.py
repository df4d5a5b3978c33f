"""Files that hold many records, stacks of dates, and STAC items in a mapping."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.mapping import parse_mapping
from ingester.mapping.rules import StackRule, fill, instant
from prismcube.errors import ConfigurationError, InvalidInput
from prismcube.model.period import format_instant

VARIABLES = {"v": {"bands": ["b"], "dtype": "uint8"}, "w": {"bands": ["x", "y"], "dtype": "uint8"}}
DATASETS = [{"instance": "v/i", "bands": [1]}]


def parse(**sections: Any) -> Any:
    return parse_mapping({"variables": VARIABLES, **sections})


def mistakes(**sections: Any) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(**sections)
    return dict(caught.value.mistakes)


def stacked(**stack: Any) -> dict[str, Any]:
    return {
        "pattern": r"(?P<name>\w+)\.tif",
        "record": "{name}",
        "time": "{date}",
        "stack": stack,
        "datasets": DATASETS,
    }


def test_stack_by_the_names_of_bands() -> None:
    [rule] = parse(files=[stacked()]).files
    stack = rule.content.stack
    assert list(stack.dates(("2020-01-01", "2020-01-02"))) == [
        (0, {"date": "2020-01-01"}),
        (1, {"date": "2020-01-02"}),
    ]


def test_stack_of_several_bands_a_date() -> None:
    block = stacked(bands=2, pattern=r"x (?P<date>\S+)") | {"datasets": [{"instance": "w/i", "bands": [2, 1]}]}
    [rule] = parse(files=[block]).files
    assert [before for before, _ in rule.content.stack.dates(("x 1", "", "x 2", ""))] == [0, 2]
    with pytest.raises(InvalidInput, match="3 bands can't be divided into dates of 2"):
        list(rule.content.stack.dates(("x 1", "", "x 2")))
    with pytest.raises(InvalidInput, match="band 3 is named 'y', which"):
        list(rule.content.stack.dates(("x 1", "", "y", "")))


def test_stack_of_given_dates() -> None:
    [rule] = parse(files=[stacked(dates=["2020-01-01T10:00:00", date(2020, 1, 2)])]).files
    assert rule.content.stack.names == ("2020-01-01T10:00:00", "2020-01-02")
    with pytest.raises(InvalidInput, match="names 2 dates, the file has 3"):
        list(rule.content.stack.dates(("", "", "")))


@pytest.mark.parametrize(
    ("stack", "where", "reason"),
    [
        ({"pattern": "("}, "files.0.stack.pattern", "regular expression"),
        ({"pattern": "(?P<when>.*)"}, "files.0.time", "{date} is not a group"),
        ({"dates": ["a"], "pattern": r"(?P<date>\d+)"}, "files.0.stack.dates", "'a' does not match"),
        ({"dates": ["a", "b", "a"]}, "files.0.stack.dates", "'a' is there twice"),
        ({"dates": []}, "files.0.stack.dates.constrained-list", "at least 1"),
        ({"bands": 0}, "files.0.stack.bands", "greater than or equal to 1"),
        ({"every": 2}, "files.0.stack.every", "not permitted"),
    ],
)
def test_mistakes_of_a_stack(stack: dict[str, Any], where: str, reason: str) -> None:
    found = mistakes(files=[stacked(**stack)])
    assert any(reason in text for place, text in found.items() if place.startswith(where.rsplit(".c", 1)[0])), found


def test_bands_beyond_a_date() -> None:
    block = stacked() | {"datasets": [{"instance": "w/i", "bands": [1, 2]}]}
    assert "beyond the 1 band(s) of a date" in mistakes(files=[block])["files.0.datasets"]


def test_several_records_in_a_file() -> None:
    records = [
        {"record": "first", "time": "2020-01-01", "datasets": DATASETS},
        {"record": "second", "time": "2020-01-02", "datasets": [{"instance": "v/i", "bands": [2]}]},
    ]
    [rule] = parse(files=[{"pattern": ".*", "records": records}]).files
    assert [one.record for one in rule.content.holdings] == ["first", "second"]
    records[1]["datasets"] = DATASETS
    found = mistakes(files=[{"pattern": ".*", "records": records}])
    assert "band 1 is used twice" in found["files.0.records"]
    del records[1]["time"]
    assert "files.0.records.1.time" in mistakes(files=[{"pattern": ".*", "records": records}])


def test_subdatasets() -> None:
    block = {
        "pattern": r"(?P<day>\d+)\.nc",
        "record": "r",
        "time": "2020-01-01",
        "subdir": "NETCDF:sst",
        "datasets": [*DATASETS, {"instance": "w/i", "bands": [1, 2], "subdir": "{day}:err"}],
    }
    [rule] = parse(files=[block]).files
    assert [one.subdir for one in rule.content.datasets] == ["NETCDF:sst", "{day}:err"]
    block["subdir"] = "{year}"
    assert "{year} is not a group" in mistakes(files=[block])["files.0.subdir"]


def test_items() -> None:
    block = {
        "collection": "sentinel-2-.*",
        "tags": {"tile": "{properties.grid:code}", "band": "{band}"},
        "assets": [{"key": r"(?P<band>red|nir)", "datasets": DATASETS}],
    }
    [rule] = parse(items=[block]).items
    assert rule.match("sentinel-2-l2a")
    assert not rule.match("landsat")
    [asset] = rule.assets
    assert asset.match("rededge") is None
    values = {"id": "A", "datetime": "2020-01-01T00:00:00Z", **(asset.match("nir") or {})}
    record = asset.content.holdings[0].as_record(values)
    assert (record.name, record.tags) == ("A", {"band": "nir"})  # without the property, without its tag
    full = asset.content.holdings[0].as_record({**values, "properties.grid:code": "33T"})
    assert full.tags["tile"] == "33T"
    with pytest.raises(InvalidInput, match="no 'id'"):
        asset.content.holdings[0].as_record({"datetime": "2020-01-01"})


@pytest.mark.parametrize(
    ("change", "where", "reason"),
    [
        ({"record": "{name}"}, "items.0.record", "{name} is not a group of the pattern (it has: id, datetime"),
        ({"time": "now"}, "items.0.time", "not a date"),
        ({"collection": "("}, "items.0.collection", "regular expression"),
        ({"assets": []}, "items.0.assets", "at least 1"),
        ({"assets": [{"key": "[", "datasets": DATASETS}]}, "items.0.assets.0.key", "regular expression"),
        ({"assets": [{"key": "a", "datasets": [{"instance": "u/i", "bands": [1]}]}]},
         "items.0.assets.0.datasets.0.instance", "no variable 'u'"),
    ],
)  # fmt: skip
def test_mistakes_of_items(change: dict[str, Any], where: str, reason: str) -> None:
    block = {"assets": [{"key": "red", "datasets": DATASETS}, {"key": "nir", "datasets": DATASETS}]}
    assert reason in mistakes(items=[block | change])[where]


@given(st.dictionaries(st.from_regex(r"[a-z:.-]{1,5}", fullmatch=True), st.text()), st.text(alphabet="ab{}:. "))
def test_what_has_no_value_is_refused(values: dict[str, str], template: str) -> None:
    try:
        filled = fill(template, values)
    except InvalidInput:
        return
    assert template == filled or any("{" + key + "}" in template for key in values)


@given(st.integers(1, 4), st.integers(0, 5), st.integers(0, 3))
def test_every_band_of_a_stack_has_one_date(size: int, dates: int, more: int) -> None:
    import re

    stack = StackRule(size=size, pattern=re.compile("(?P<date>.*)"), names=None)
    count = size * dates + more
    try:
        found = [before + band for before, _ in stack.dates(("x",) * count) for band in range(1, size + 1)]
    except InvalidInput:
        assert more % size
    else:
        assert found == list(range(1, count + 1))


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("20150801", "2015-08-01T00:00:00Z"),
        ("20150801T103005", "2015-08-01T10:30:05Z"),
        ("20150801T103005Z", "2015-08-01T10:30:05Z"),
        ("20150801t103005+0200", "2015-08-01T08:30:05Z"),
        ("2015-08-01", "2015-08-01T00:00:00Z"),
        ("2015", "2015-01-01T00:00:00Z"),
    ],
)
def test_times_as_files_are_named(text: str, time: str) -> None:
    assert format_instant(instant(text)) == time
    block = {"pattern": ".*", "record": "r", "time": text, "datasets": DATASETS}
    [rule] = parse(files=[block]).files
    assert format_instant(rule.content.holdings[0].as_record({}).time) == time


@pytest.mark.parametrize("text", ["20151301", "2015080", "201508011", "20150230", "٢٠١٥٠٨٠١", "20150801T", "20150801 "])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a date or time"):
        instant(text)
    block = {"pattern": ".*", "record": "r", "time": text, "datasets": DATASETS}
    assert "not a date" in mistakes(files=[block])["files.0.time"]
