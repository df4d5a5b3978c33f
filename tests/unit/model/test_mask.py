"""Mask rules from text and back, and what they keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.model.mask import MaskRule

RULES = st.builds(
    MaskRule,
    name=st.just("m"),
    field=st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True),
    values=st.frozensets(st.integers(0, 31), min_size=1),
    bits=st.booleans(),
    keep=st.booleans(),
)


@given(rule=RULES)
def test_text_reads_back(rule: MaskRule) -> None:
    assert MaskRule.parse(str(rule), name="m") == rule


@given(text=st.text(max_size=30) | st.text(alphabet="SCL:!bits0123456789,-", max_size=40))
def test_any_text_is_a_rule_or_invalid_input(text: str) -> None:
    try:
        rule = MaskRule.parse(text)
    except InvalidInput as error:
        assert error.parameter == "mask"
    else:
        assert len(rule.values) <= 2048


@given(rule=RULES, values=st.lists(st.integers(0, 65535), min_size=1, max_size=20))
def test_keeps_what_the_text_says(rule: MaskRule, values: list[int]) -> None:
    quality = np.array(values, dtype=np.uint16)
    valid = np.arange(len(values)) % 3 > 0

    def matches(value: int) -> bool:
        return any(value >> bit & 1 for bit in rule.values) if rule.bits else value in rule.values

    expected = [bool(ok) and matches(value) == rule.keep for value, ok in zip(values, valid, strict=True)]
    assert rule.apply(quality, valid).tolist() == expected


@pytest.mark.parametrize(
    "text", ["", "SCL", "SCL:", ":4", "SCL:7-4", "SCL:4-", "SCL:0-99999", "SCL:bits:32", "a b:1", "SCL:²"]
)
def test_rules_that_make_no_sense(text: str) -> None:
    with pytest.raises(InvalidInput):
        MaskRule.parse(text)


def test_what_is_empty_may_be_no_number():
    rule = MaskRule.parse("QA:bits:0")
    quality = np.array([[np.nan, 1.0, 2.0]], np.float32)
    assert rule.apply(quality, ~np.isnan(quality)).tolist() == [[False, True, False]]
