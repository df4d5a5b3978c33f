"""Mosaic rules against plain numpy over NaN-filled stacks."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prismcube.cube.mosaic import RULES, mosaic_rule
from prismcube.errors import InvalidInput

SHAPE = (3, 4)


@st.composite
def layers(draw):
    count = draw(st.integers(1, 6))
    values = draw(hnp.arrays(np.uint16, (count, *SHAPE)))
    valid = draw(hnp.arrays(bool, (count, *SHAPE)))
    return values, valid


def run(name, values, valid):
    rule = mosaic_rule(name)()
    order = range(len(values))
    for i in reversed(order) if rule.reverse else order:
        rule.feed(values[i], valid[i])
    return rule.result()


def judge(name, values, valid):
    stack = np.where(valid, values, np.nan).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN pixels
        match name:
            case "first" | "last":
                order = stack if name == "first" else stack[::-1]
                out = np.full(SHAPE, np.nan)
                for layer in order[::-1]:
                    out = np.where(np.isnan(layer), out, layer)
                return out
            case "min":
                return np.nanmin(stack, axis=0)
            case "max":
                return np.nanmax(stack, axis=0)
            case "mean":
                return np.nanmean(stack, axis=0)
            case "median":
                return np.nanmedian(stack, axis=0)
            case "count":
                return valid.sum(axis=0).astype(float)


@pytest.mark.parametrize("name", RULES)
@given(layers())
def test_every_rule_equals_numpy(name, stack):
    values, valid = run(name, *stack)
    expected = judge(name, *stack)
    assert np.array_equal(valid, ~np.isnan(expected))
    assert np.allclose(values[valid], expected[valid], rtol=1e-12)


def test_first_and_last_are_done_when_nothing_is_missing():
    rule = mosaic_rule("last")()
    rule.feed(np.zeros(SHAPE), np.zeros(SHAPE, bool))
    assert not rule.is_done
    rule.feed(np.ones(SHAPE), np.ones(SHAPE, bool))
    assert rule.is_done


def test_layers_of_different_types_keep_their_values():
    rule = mosaic_rule("first")()
    rule.feed(np.array([[1, 2]], np.uint8), np.array([[True, False]]))
    rule.feed(np.array([[0.5, 1000.5]]), np.array([[True, True]]))
    values, valid = rule.result()
    assert values.tolist() == [[1.0, 1000.5]]
    assert valid.all()


def test_an_unknown_rule_is_refused_by_name():
    with pytest.raises(InvalidInput, match="mosaic: 'best' is not one of first, last"):
        mosaic_rule("best")


@pytest.mark.parametrize("name", RULES)
def test_a_rule_without_layers_has_no_result(name):
    with pytest.raises(ValueError, match="nothing was fed"):
        mosaic_rule(name)().result()
