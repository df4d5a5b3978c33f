"""Palettes: colours lie on straight lines between the points, and mistakes name the field."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.model.palette import GREY, MAX_COLOURS, MAX_POINTS, ColourPoint, Palette

COUNTS = st.integers(0, 255)


@st.composite
def palettes(draw: st.DrawFn) -> Palette:
    between = draw(st.lists(st.floats(1e-6, 1 - 1e-6), unique=True, max_size=6))
    points = tuple(
        ColourPoint(value=value, r=draw(COUNTS), g=draw(COUNTS), b=draw(COUNTS), a=draw(COUNTS))
        for value in [0.0, *sorted(between), 1.0]
    )
    return Palette(draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)), points)


@given(palette=palettes())
def test_json_round_trip(palette: Palette) -> None:
    assert Palette.from_json(palette.to_json()) == palette


@given(palette=palettes(), n=st.integers(2, 600))
def test_colours_run_from_the_first_point_to_the_last(palette: Palette, n: int) -> None:
    colours = palette.colours(n)
    assert colours.shape == (n, 4)
    assert colours.dtype == np.uint8
    assert tuple(colours[0]) == palette.points[0].rgba
    assert tuple(colours[-1]) == palette.points[-1].rgba


@given(palette=palettes(), n=st.integers(2, 600))
def test_each_colour_is_between_its_neighbours(palette: Palette, n: int) -> None:
    for at, colour in zip(np.linspace(0, 1, n), palette.colours(n).astype(float), strict=True):
        after = next(i for i, point in enumerate(palette.points) if point.value >= at)
        low, high = palette.points[max(0, after - 1)], palette.points[after]
        part = (at - low.value) / (high.value - low.value) if after else 0
        expected = np.array(low.rgba) * (1 - part) + np.array(high.rgba) * part
        assert np.abs(colour - expected).max() <= 0.5 + 1e-6


def test_default_is_256_colours() -> None:
    assert np.array_equal(GREY.colours(), np.column_stack([np.arange(256)] * 3 + [np.full(256, 255)]))


def test_opacity_is_kept_and_defaults_to_opaque() -> None:
    palette = Palette("fade", (ColourPoint(value=0, r=9, g=9, b=9, a=0), ColourPoint(value=1, r=9, g=9, b=9)))
    assert palette.colours(3)[:, 3].tolist() == [0, 128, 255]


def test_each_channel_has_its_own_colour() -> None:
    palette = Palette("p", (ColourPoint(value=0, r=1, g=2, b=3, a=4), ColourPoint(value=1, r=10, g=20, b=30, a=40)))
    assert palette.colours(2).tolist() == [[1, 2, 3, 4], [10, 20, 30, 40]]


POINT: dict[str, Any] = {"value": 0, "r": 0, "g": 0, "b": 0}
ENDS = [POINT, POINT | {"value": 1}]


@pytest.mark.parametrize(
    ("document", "parameter"),
    [
        pytest.param({"name": "a/b", "points": ENDS}, "name", id="a name is one part of a URL"),
        pytest.param({"name": "", "points": ENDS}, "name", id="no name"),
        pytest.param({"name": 5, "points": ENDS}, "name", id="a name is text"),
        pytest.param({"points": ENDS}, "palette.name", id="name missing"),
        pytest.param({"name": "a"}, "palette.points", id="points missing"),
        pytest.param({"name": "a", "points": ENDS, "point": 1}, "palette.point", id="unknown member"),
        pytest.param([], "palette", id="not an object"),
        pytest.param({"name": "a", "points": {}}, "points", id="points not a list"),
        pytest.param({"name": "a", "points": []}, "points", id="no points"),
        pytest.param({"name": "a", "points": [POINT]}, "points", id="one point"),
        pytest.param({"name": "a", "points": [POINT | {"value": 0.1}, ENDS[1]]}, "points", id="no start"),
        pytest.param({"name": "a", "points": [POINT, POINT | {"value": 0.9}]}, "points", id="no end"),
        pytest.param({"name": "a", "points": [POINT, POINT, ENDS[1]]}, "points", id="a value twice"),
        pytest.param(
            {"name": "a", "points": [POINT, *(POINT | {"value": v} for v in (0.6, 0.5)), ENDS[1]]}, "points", id="fall"
        ),
        pytest.param({"name": "a", "points": [POINT | {"value": -1}, ENDS[1]]}, "value", id="value below 0"),
        pytest.param({"name": "a", "points": [POINT, POINT | {"value": 2}]}, "value", id="value above 1"),
        pytest.param({"name": "a", "points": [POINT | {"value": "0"}, ENDS[1]]}, "value", id="value is text"),
        pytest.param({"name": "a", "points": [POINT | {"value": float("nan")}, ENDS[1]]}, "value", id="NaN"),
        *(
            pytest.param({"name": "a", "points": [POINT | {channel: wrong}, ENDS[1]]}, channel, id=f"{channel} {wrong}")
            for channel in "rgba"
            for wrong in (-1, 256, 0.5, True)
        ),
        pytest.param({"name": "a", "points": [POINT | {"h": 1}, ENDS[1]]}, "points.h", id="unknown channel"),
    ],
)
def test_mistakes_name_the_field(document: object, parameter: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        Palette.from_json(document)
    assert raised.value.parameter == parameter


def test_no_more_points_than_a_colour_table() -> None:
    def points(count: int) -> tuple[ColourPoint, ...]:
        return tuple(ColourPoint(value=i / (count - 1), r=0, g=0, b=0) for i in range(count))

    assert len(Palette("a", points(MAX_POINTS)).points) == MAX_POINTS
    with pytest.raises(InvalidInput, match="2 to 256"):
        Palette("a", points(MAX_POINTS + 1))


@pytest.mark.parametrize("n", [-1, 0, 1, MAX_COLOURS + 1, 2.5])
def test_how_many_colours(n: Any) -> None:
    with pytest.raises(InvalidInput) as raised:
        GREY.colours(n)
    assert raised.value.parameter == "n"
