"""One slice and a style make a picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from prismcube.errors import InvalidInput
from prismcube.model.collection import Collection, RGBStyle
from prismcube.model.cube import CubeHeader, Slice
from prismcube.model.palette import GREY, Palette
from prismcube.model.style import Style, StyleKind

RGBA = npt.NDArray[np.uint8]
"""Of shape (4, height, width): red, green, blue, opacity; colours are not multiplied by opacity."""


def style_for(collection: Collection, fields: tuple[str, ...] | None) -> RGBStyle:
    """The collection's own style, or the plain one of `fields`: one as grey, three as red, green, blue.

    Each field is stretched over the range the default style gives it, else over its format's. Raises
    InvalidInput("properties", ...) when there is no style, no range, or neither one nor three fields.
    """
    default = collection.style
    if fields is None:
        if default is None:
            raise InvalidInput("properties", f"{collection.name} has no default style; name one or three fields")
        return default
    if len(fields) not in (1, 3):
        raise InvalidInput("properties", f"a picture shows one field or three, got {len(fields)}")
    known = dict(zip(default.fields, default.ranges, strict=True)) if default else {}
    ranges = []
    for name in fields:
        format = collection.field(name).format
        if name in known:
            ranges.append(known[name])
        elif format.minimum is not None and format.maximum is not None:
            ranges.append((format.minimum, format.maximum))
        else:
            raise InvalidInput(
                "properties", f"{name!r} has no range to stretch over; define minimum and maximum for it"
            )
    return RGBStyle(fields, tuple(ranges))


def paint(style: RGBStyle, header: CubeHeader, one: Slice) -> RGBA:
    """The picture of a plain style; transparent where any of its fields is empty."""
    return draw(Style.of("default", style), GREY, header, one)


def draw(style: Style, palette: Palette, header: CubeHeader, one: Slice) -> RGBA:
    """The picture of a style; transparent where any of its fields is empty.

    Channels are stretched to 0..1 and rounded to the nearest of 256 counts; a palette gives each count its colour
    and opacity (`palette` has no effect on a style of three channels).
    """
    names = [f.name for f in header.fields]
    visible = np.ones(header.grid.shape, dtype=bool)
    counts = []
    for channel in style.channels:
        at = names.index(channel.field)
        values = np.where(one.valid[at], one.data[at], channel.low)
        counts.append((channel.unit(values) * 255 + 0.5).astype(np.uint8))
        visible &= one.valid[at]
    rgba = np.empty((4, *header.grid.shape), dtype=np.uint8)
    if style.kind is StyleKind.PALETTE:
        np.take(palette.colours(256).T, counts[0], axis=1, out=rgba)
    else:
        rgba[:3] = counts
        rgba[3] = 255
    rgba[:, ~visible] = 0  # also the colours: transparent pixels compress best when they are all alike
    return rgba


def on_background(rgba: RGBA, colour: tuple[int, int, int]) -> RGBA:
    """The picture laid over a plain colour; shape (3, height, width)."""
    opacity = rgba[3].astype(np.float32) / 255
    below = np.array(colour, dtype=np.float32)[:, None, None] * (1 - opacity)
    return np.asarray(rgba[:3] * opacity + below + 0.5, dtype=np.uint8)
