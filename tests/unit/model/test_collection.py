"""Collections: what may stand in a definition."""

import pytest

from prismcube.errors import InvalidInput, NotFound
from prismcube.model.collection import Collection, ComputedField, RGBStyle, StoredField
from prismcube.model.expression import Expression
from prismcube.model.formats import DataFormat
from prismcube.model.mask import MaskRule

U16 = DataFormat(dtype="uint16", nodata=0)
A = StoredField(name="a", instance_id=1, band=0, format=U16)
B = StoredField(name="b", instance_id=2, band=0, format=U16)
C = StoredField(name="c", instance_id=3, band=0, format=U16)
RATIO = ComputedField(name="r", expression=Expression("a / b"))
TWICE = ComputedField(name="t", expression=Expression("2 * r"))


@pytest.mark.parametrize("name", ["", "records", "a/b", "a b", "-a", "ü", "a?b", "x" * 101, "a\n"])
def test_names_that_can_not_stand_in_a_url_are_refused(name):
    with pytest.raises(InvalidInput, match=r"collection\.name"):
        Collection(name=name)


@pytest.mark.parametrize("name", ["a", "s2-romania", "S2.L2A_v1", "9", "x" * 100])
def test_names(name):
    assert Collection(name=name).name == name


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"fields": (A, A)}, "twice"),
        ({"fields": (RATIO, A, B)}, "not a field before it"),
        ({"fields": (StoredField(name="a b", instance_id=1, band=0, format=U16),)}, "letters"),
        ({"fields": (A,), "masks": (MaskRule.parse("z:1", name="m"),)}, "no field 'z'"),
        ({"fields": (A, B, RATIO), "masks": (MaskRule.parse("r:1", name="m"),)}, "stored"),
        ({"fields": (A,), "masks": (MaskRule.parse("a:1", name="m"), MaskRule.parse("a:2", name="m"))}, "distinct"),
        ({"fields": (A,), "masks": (MaskRule.parse("a:1", name="m", default_for=("z",)),)}, "no field 'z'"),
        ({"fields": (A,), "style": RGBStyle(("z",), ((0, 1),))}, "no field 'z'"),
    ],
)
def test_definitions_that_contradict_themselves(parts, reason):
    with pytest.raises((InvalidInput, NotFound), match=reason):
        Collection(name="c", **parts)


@pytest.mark.parametrize(
    ("wanted", "sources"), [(("a",), "a"), (("r",), "ab"), (("t",), "ab"), (("t", "c"), "abc"), ((), "")]
)
def test_sources_are_the_stored_fields_that_are_needed(wanted, sources):
    one = Collection(name="c", fields=(A, B, C, RATIO, TWICE))
    assert "".join(f.name for f in one.sources(wanted)) == sources


@pytest.mark.parametrize(("fields", "ranges"), [(("a", "b"), ((0, 1), (0, 1))), (("a",), ((1, 1),)), (("a",), ())])
def test_styles_have_one_or_three_rising_ranges(fields, ranges):
    with pytest.raises(InvalidInput, match="style"):
        RGBStyle(fields, ranges)
