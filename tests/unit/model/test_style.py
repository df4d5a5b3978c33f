"""Styles: what each member does, and which are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.model.collection import RGBStyle
from prismcube.model.style import Channel, Style, StyleKind

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    low = draw(st.floats(-1e6, 1e6))
    return Channel(
        field=draw(st.sampled_from(["B04", "B03", "NDVI"])),
        low=low,
        high=low + draw(st.floats(1e-3, 1e6)),
        gamma=draw(st.floats(0.1, 5)),
    )


@st.composite
def styles(draw: st.DrawFn) -> Style:
    kind = draw(st.sampled_from(StyleKind))
    return Style(
        name=draw(NAMES),
        title=draw(st.text("abc ", max_size=9)),
        description=draw(st.text("abc ", max_size=9)),
        kind=kind,
        channels=tuple(draw(channels()) for _ in range(3 if kind is StyleKind.RGB else 1)),
        palette="" if kind is StyleKind.RGB else draw(NAMES),
    )


@given(style=styles())
def test_json_round_trip(style: Style) -> None:
    assert Style.from_json(style.to_json()) == style


@given(channel=channels(), part=st.lists(st.floats(-1, 2), min_size=1, max_size=5))
def test_values_are_stretched_clipped_and_bent(channel: Channel, part: list[float]) -> None:
    values = channel.low + np.array(part) * (channel.high - channel.low)
    straight = np.clip((values - channel.low) / (channel.high - channel.low), 0, 1)
    assert np.allclose(channel.unit(values) ** channel.gamma, straight, rtol=1e-9, atol=1e-12)


def test_gamma_above_one_brightens() -> None:
    assert Channel(field="a", low=0, high=4, gamma=2).unit(np.array([1])).tolist() == [0.5]
    assert Channel(field="a", low=0, high=4).unit(np.array([1])).tolist() == [0.25]


@pytest.mark.parametrize(
    ("default", "kind", "palette"),
    [
        (RGBStyle(("R", "G", "B"), ((0, 1), (0, 2), (0, 3))), StyleKind.RGB, ""),
        (RGBStyle(("NDVI",), ((-1, 1),)), StyleKind.PALETTE, "grey"),
    ],
)
def test_the_default_picture_of_a_collection_is_a_style(default: RGBStyle, kind: StyleKind, palette: str) -> None:
    style = Style.of("default", default)
    assert (style.name, style.kind, style.palette) == ("default", kind, palette)
    assert style.fields == default.fields
    assert tuple((channel.low, channel.high) for channel in style.channels) == default.ranges
    assert all(channel.gamma == 1 for channel in style.channels)


CHANNEL: dict[str, Any] = {"field": "B04", "low": 0, "high": 3000}
RGB: dict[str, Any] = {"name": "rgb", "kind": "rgb", "channels": [CHANNEL] * 3}
SCALE: dict[str, Any] = {"name": "ndvi", "kind": "palette", "channels": [CHANNEL], "palette": "grey"}


@pytest.mark.parametrize(
    ("document", "parameter"),
    [
        pytest.param(RGB | {"name": "a b"}, "name", id="a name is a part of a URL"),
        pytest.param(RGB | {"kind": "hillshade"}, "kind", id="unknown kind"),
        pytest.param(RGB | {"kind": []}, "kind", id="kind not text"),
        pytest.param(RGB | {"channels": [CHANNEL]}, "channels", id="rgb of one"),
        pytest.param(SCALE | {"channels": [CHANNEL] * 3}, "channels", id="palette of three"),
        pytest.param(SCALE | {"channels": None}, "channels", id="channels not a list"),
        pytest.param(RGB | {"palette": "grey"}, "palette", id="rgb with a palette"),
        pytest.param({k: v for k, v in SCALE.items() if k != "palette"}, "palette", id="palette without name"),
        pytest.param(RGB | {"title": 1}, "title", id="title not text"),
        pytest.param(RGB | {"description": "a\0"}, "description", id="description no database keeps"),
        pytest.param(RGB | {"colour": 1}, "style.colour", id="unknown member"),
        pytest.param({"name": "a", "kind": "rgb"}, "style.channels", id="no channels"),
        pytest.param(SCALE | {"channels": [CHANNEL | {"field": "B 4"}]}, "field", id="field not a name"),
        pytest.param(SCALE | {"channels": [CHANNEL | {"field": 4}]}, "field", id="field not text"),
        pytest.param(SCALE | {"channels": [CHANNEL | {"low": 3000}]}, "low", id="flat range"),
        pytest.param(SCALE | {"channels": [CHANNEL | {"high": "1"}]}, "high", id="text for a number"),
        pytest.param(SCALE | {"channels": [CHANNEL | {"gamma": 0}]}, "gamma", id="gamma 0"),
        pytest.param(SCALE | {"channels": [CHANNEL | {"gama": 1}]}, "channels.gama", id="unknown member of a channel"),
    ],
)
def test_mistakes_name_the_field(document: object, parameter: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        Style.from_json(document)
    assert raised.value.parameter == parameter


def test_title_and_description_are_kept() -> None:
    style = Style.from_json(SCALE | {"title": "Green", "description": "How green it is."})
    assert (style.title, style.description) == ("Green", "How green it is.")
