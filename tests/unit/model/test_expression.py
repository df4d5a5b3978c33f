"""Expressions: compute, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.model.expression import Expression

HOSTILE = [
    "__import__('os').system('id')",
    "().__class__.__mro__",
    "a.__class__",
    "a.real",
    "a[0]",
    "a[::]",
    "(lambda: 1)()",
    "[x for x in a]",
    "{1: 2}",
    "'text'",
    "b'bytes'",
    "f'{a}'",
    "True",
    "None",
    "...",
    "1j",
    "a if b else c",
    "a and b",
    "not a",
    "~a",
    "a @ b",
    "a // b",
    "a % b",
    "a << 2",
    "a := 1",
    "(a := 1)",
    "a < b < c",
    "a in b",
    "a is b",
    "eval(a)",
    "open(a)",
    "print(a)",
    "sqrt",
    "sqrt(a, b)",
    "sqrt()",
    "sqrt(*a)",
    "sqrt(x=a)",
    "where(a, b)",
    "np.sqrt(a)",
    "sqrt(a)(b)",
    "await a",
    "yield a",
    "import os",
    "a; b",
    "a\nb",
    "",
    "   ",
    "(",
    "a,",
    "\0",
    "1e999**" + "(" * 300,
    "9" * 400,
    "-" * 1900 + "a" * 200,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Expression(text)


@given(text=st.text(max_size=60) | st.text(alphabet="ab01.+-*/()<>=,sqrtwhe _[]{}'\"", max_size=60))
def test_any_text_computes_or_is_invalid_input(text: str) -> None:
    try:
        expression = Expression(text)
    except InvalidInput as error:
        assert error.parameter == "expression"
        return
    fields = {name: np.array([0.0, 1.0, 2.0]) for name in expression.names}
    assert expression.evaluate(fields, shape=(3,)).shape == (3,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(b - a) / (b + a)", [1 / 3, -1 / 3]),
        ("-a ** 2 + +b", [-1 + 2, -4 + 1]),
        ("where(a > b, a, 10)", [10, 2]),
        ("minimum(a, b) * maximum(a, b)", [2, 2]),
        ("sqrt(a) * sqrt(a) - a + exp(log(b))", [2, 1]),
        ("abs(-3) + log10(100)", [5, 5]),
        ("a == 1", [1, 0]),
        ("a != 1", [0, 1]),
    ],
)
def test_values(text: str, expected: list[float]) -> None:
    fields = {"a": np.array([1, 2], dtype=np.uint8), "b": np.array([2, 1], dtype=np.uint8)}
    assert np.allclose(Expression(text).evaluate(fields, shape=(2,)), expected)


def test_no_answer_is_not_finite_and_warns_nobody() -> None:
    zero = {"a": np.array([0], dtype=np.uint8)}
    for text in ("a / a", "1 / a", "log(a - 1)", "sqrt(a - 1)"):
        assert not np.isfinite(Expression(text).evaluate(zero, shape=(1,))).any()


def test_names() -> None:
    assert Expression("where(a > 1, sqrt(b), 2) + a").names == {"a", "b"}


def test_comparisons_are_numbers():
    a = np.array([45.0, 1.5, 0.0])
    for text, expected in {
        "(a > 1) + (a > 2) + (a > 3)": [3, 1, 0],
        "(a > 1) - (a > 2)": [0, 1, 0],
        "-(a > 1)": [-1, -1, 0],
        "sqrt(a > 1) * 100001": [100001, 100001, 0],
        "where(a > 1, a, -1)": [45, 1.5, -1],
        "where(a, 1, 2)": [1, 1, 2],
        "exp(a > 1)": [np.e, np.e, 1],
    }.items():
        assert Expression(text).evaluate({"a": a}, shape=(3,)).tolist() == expected, text


@pytest.mark.parametrize(
    "text", ["-" * 1900 + "a", "+".join(["a"] * 990), "(" * 190 + "a" + ")" * 190 + "+" + "-" * 160 + "a"]
)
def test_nesting_has_an_end(text):
    with pytest.raises(InvalidInput, match=r"nested deeper|can't be read"):
        Expression(text)


def test_long_sums_are_fine():
    values = {"a": np.ones(2)}
    assert Expression("+".join(["a"] * 100)).evaluate(values, shape=(2,)).tolist() == [100, 100]
