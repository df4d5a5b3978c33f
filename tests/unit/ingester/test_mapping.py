"""Mapping files: read as meant, and every mistake reported at once by its dotted name."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.mapping import parse_mapping, read_mapping
from ingester.mapping.rules import fill
from prismcube.errors import ConfigurationError, PrismcubeError
from prismcube.model.collection import ComputedField, StoredField
from prismcube.model.formats import ValueMapping

EXAMPLES = Path(__file__).parents[3] / "examples"


def document() -> dict[str, Any]:
    return {
        "variables": {
            "refl": {
                "bands": ["B4", "B8"],
                "dtype": "uint16",
                "nodata": 0,
                "minimum": 0,
                "maximum": 10000,
                "unit": "1",
            },
            "scl": {"bands": ["SCL"], "dtype": "uint8", "nodata": 0},
        },
        "files": [
            {
                "pattern": r"S2_(?P<day>\d{8})\.tif",
                "record": "S2 {day}",
                "time": "2020-01-01",
                "tags": {"day": "{day}"},
                "datasets": [
                    {"instance": "refl/l2a", "bands": [1, 2]},
                    {"instance": "scl/l2a", "bands": [3], "nodata": None, "mapping": {"imax": 100, "emax": 1}},
                ],
            }
        ],
        "collections": {
            "c": {
                "fields": {
                    "B4": {"instance": "refl/l2a", "band": "B4"},
                    "B8": {"instance": "refl/l2a", "band": "B8", "description": "nir"},
                    "SCL": {"instance": "scl/l2a"},
                    "ndvi": {"expression": "(B8 - B4) / (B8 + B4)", "minimum": -1, "maximum": 1},
                },
                "masks": {"clear": {"rule": "SCL:4-7", "default_for": ["ndvi"]}},
                "style": {"fields": ["B4"], "ranges": [[0, 2000]]},
            }
        },
    }


def mistakes(wrong: Any) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_mapping(wrong)
    return dict(caught.value.mistakes)


def test_read_as_meant() -> None:
    mapping = parse_mapping(document())
    rule = mapping.files[0]
    [holding] = rule.content.holdings
    refl, scl = holding.datasets
    assert [refl.key, scl.key] == mapping.instances == ["refl/l2a", "scl/l2a"]
    assert refl.mapping.is_identity
    assert not refl.overrides_nodata
    assert scl.overrides_nodata
    assert scl.mapping == ValueMapping(imax=100)
    groups = rule.match(Path("/a/S2_20200102.tif"))
    assert groups == {"day": "20200102"}
    assert fill(holding.record, groups) == "S2 20200102"
    assert rule.match(Path("/a/S2_20200102.tif.aux.xml")) is None


def test_collection_is_bound_to_the_catalogues_ids() -> None:
    collection = parse_mapping(document()).collections[0].bind({"refl/l2a": 5, "scl/l2a": 9})
    _, b8, scl, ndvi = collection.fields
    assert isinstance(b8, StoredField)
    assert isinstance(ndvi, ComputedField)
    assert (b8.instance_id, b8.band, b8.unit, b8.description, b8.format.dtype) == (5, 1, "1", "nir", "uint16")
    assert isinstance(scl, StoredField)
    assert (scl.instance_id, scl.band) == (9, 0)
    assert collection.default_mask("ndvi") is not None


def test_pattern_with_a_slash_matches_the_end_of_the_path() -> None:
    wrong = document()
    wrong["files"][0]["pattern"] = r"(?P<tile>\w+)/(?P<day>\d{8})/B4\.tif"
    rule = parse_mapping(wrong).files[0]
    assert rule.match(Path("/archive/x/33TWM/20200102/B4.tif")) == {"tile": "33TWM", "day": "20200102"}
    assert rule.match(Path("33TWM/20200102/B4.tif")) is not None
    assert rule.match(Path("/archive/33TWM/20200102/B4.tif/B8.tif")) is None


CHANGES: list[tuple[str, Any, str, str]] = [
    ("variables.refl.dtype", "uint12", "variables.refl.dtype", "not one of"),
    ("variables.refl.nodata", -1, "variables.refl.nodata", "not a value of uint16"),
    ("variables.refl.minimum", 10001, "variables.refl.minimum", "less than maximum"),
    ("variables.refl.bands", ["B4", "B4"], "variables.refl.bands", "distinct"),
    ("variables.refl.bands", [], "variables.refl.bands", "at least 1"),
    ("variables.refl.bandz", [], "variables.refl.bandz", "not permitted"),
    ("variables.scl.resampling", "best", "variables.scl.resampling", "not one of"),
    ("variables.a/b", {"bands": ["x"], "dtype": "uint8"}, "variables.a/b", "letters, digits"),
    ("files.0.pattern", "(", "files.0.pattern", "regular expression"),
    ("files.0.record", "{dey}", "files.0.record", "{dey} is not a group"),
    ("files.0.record", "{day", "files.0.record", "brace"),
    ("files.0.tags.k", "{x}", "files.0.tags.k", "{x} is not a group"),
    ("files.0.tags.k", 77, "files.0.tags.k", "valid string"),
    ("files.0.time", "yesterday", "files.0.time", "not a date"),
    ("files.0.datasets", [], "files.0.datasets", "at least 1"),
    ("files.0.datasets.0.instance", "refl", "files.0.datasets.0.instance", "variable/instance"),
    ("files.0.datasets.0.instance", "ref/l2a", "files.0.datasets.0.instance", "no variable 'ref'"),
    ("files.0.datasets.0.bands", [1], "files.0.datasets.0.bands", "refl has B4, B8"),
    ("files.0.datasets.0.bands", [0, 1], "files.0.datasets.0.bands.0", "greater than or equal to 1"),
    ("files.0.datasets.1.bands", [2], "files.0.datasets", "band 2 is used twice"),
    ("files.0.datasets.1.mapping", {"imin": 3, "imax": 2}, "files.0.datasets.1.mapping.imin", "less than imax"),
    ("files.0.datasets.1.mapping", {"emx": 3}, "files.0.datasets.1.mapping.emx", "not permitted"),
    ("files.0.datasets.0.mapping", {"emin": 2e4, "emax": 3e4}, "files.0.datasets.0.mapping", "expects 0.0 to 10000.0"),
    ("collections.c.group", "week", "collections.c.group", "'record'"),
    ("collections.c.fields.B4.band", "B5", "collections.c.fields.B4.band", "not one of B4, B8"),
    ("collections.c.fields.B4", {"instance": "refl/l2a"}, "collections.c.fields.B4.band", "not one of B4, B8"),
    ("collections.c.fields.B4.expression", "B8", "collections.c.fields.B4", "either instance or expression"),
    ("collections.c.fields.B4.minimum", 0, "collections.c.fields.B4", "the variable's"),
    ("collections.c.fields.ndvi.expression", "B8 +", "collections.c.fields.ndvi.expression", "can't be read"),
    ("collections.c.fields.ndvi.expression", "B9", "collections.c.fields.ndvi", "'B9', which is not a field"),
    ("collections.c.fields.a-b", {"expression": "B4"}, "collections.c.fields", "letters, digits"),
    ("collections.c.masks.clear.rule", "SCL=4", "collections.c.masks.clear.rule", "is no rule"),
    ("collections.c.masks.clear.rule", "QA:4", "collections.c", "'QA', which is not a field"),
    ("collections.c.masks.clear.default_for", ["x"], "collections.c", "'x', which is not a field"),
    ("collections.c.style.ranges", [[1, 0]], "collections.c.style", "range must rise"),
    ("collections.c.style.ranges", [[1]], "collections.c.style.ranges.0", "at least 2"),
    ("collections.c.style.fields", ["B3"], "collections.c", "'B3', which is not a field"),
    ("collections.a b", {"fields": {"x": {"expression": "1"}}}, "collections.a b", "letters, digits"),
    ("colections", {}, "colections", "unknown"),
    ("files", {}, "files", "must be a list"),
    ("variables", [], "variables", "names as keys"),
]


def change(target: Any, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        target = target[int(key)] if isinstance(target, list) else target[key]
    target[last] = value


@pytest.mark.parametrize(("path", "value", "where", "reason"), CHANGES, ids=lambda value: str(value)[:40])
def test_a_mistake_has_its_dotted_name(path: str, value: Any, where: str, reason: str) -> None:
    wrong = document()
    change(wrong, path, value)
    found = mistakes(wrong)
    assert reason in found[where]


def test_every_mistake_at_once() -> None:
    wrong = document()
    for path, value in (
        ("variables.scl.dtype", "byte"),
        ("files.0.record", "{dey}"),
        ("files.0.datasets.0.bands", [1]),
        ("collections.c.masks.clear.rule", "x"),
        ("collections.c.fields.B4.band", "B5"),
        ("extra", 1),
    ):
        change(wrong, path, value)
    assert set(mistakes(wrong)) == {
        "variables.scl.dtype",
        "files.0.record",
        "files.0.datasets.0.bands",
        "collections.c.masks.clear.rule",
        "collections.c.fields.B4.band",
        "extra",
    }  # and nothing about scl, whose own mistake is told already


@pytest.mark.parametrize("wrong", [None, [], "text", {1: 2}, {"variables": None}, {"files": [None]}])
def test_documents_of_another_shape(wrong: Any) -> None:
    assert mistakes(wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)
PATHS = sorted({path for path, *_ in CHANGES})


@given(path=st.sampled_from(PATHS), value=JSON)
def test_anything_in_any_place_is_read_or_refused(path: str, value: Any) -> None:
    wrong = copy.deepcopy(document())
    change(wrong, path, value)
    try:
        parse_mapping(wrong)
    except PrismcubeError as error:
        assert isinstance(error, ConfigurationError)


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ("a: [", "yaml", "expected"),
        ("!!python/object/apply:os.system [id]", "yaml", "could not determine a constructor"),
        ("variables: {}\nvariables: {}", "yaml", "'variables' is written twice"),
        ("variables:\n  v: {dtype: uint8, dtype: uint8}", "yaml", "'dtype' is written twice"),
        ("? [a]\n: b", "yaml", "unhashable"),
        ("", "mapping", "must have the keys"),
        ("\x00", "yaml", "special characters"),
        ("[" * 5000, "yaml", ""),
    ],
)
def test_files_that_are_no_mapping(tmp_path: Path, text: str, where: str, reason: str) -> None:
    file = tmp_path / "mapping.yml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_mapping(file)
    assert caught.value.source == str(file)
    assert reason in dict(caught.value.mistakes)[where]


def test_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_mapping(tmp_path / "none.yml")
    (tmp_path / "latin.yml").write_bytes(b"\xe9")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        read_mapping(tmp_path / "latin.yml")


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yml")), ids=lambda file: file.stem)
def test_examples_have_no_mistakes(file: Path) -> None:
    mapping = read_mapping(file)
    assert mapping.collections[0].draft.name == file.stem
