"""One slice and a style make a picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from prismcube.errors import InvalidInput
from prismcube.model.collection import Collection, RGBStyle
from prismcube.model.cube import CubeHeader, Slice


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


def paint(style: RGBStyle, header: CubeHeader, one: Slice) -> npt.NDArray[np.uint8]:
    """RGBA of shape (4, height, width); transparent where any of the style's fields is empty."""
    names = [f.name for f in header.fields]
    rgba = np.zeros((4, *header.grid.shape), dtype=np.uint8)
    visible = np.ones(header.grid.shape, dtype=bool)
    for channel, (name, (low, high)) in enumerate(zip(style.fields, style.ranges, strict=True)):
        at = names.index(name)
        values = np.where(one.valid[at], one.data[at], low).astype(np.float32)
        rgba[channel] = np.clip((values - low) * (255 / (high - low)) + 0.5, 0, 255).astype(np.uint8)
        visible &= one.valid[at]
    if len(style.fields) == 1:
        rgba[1] = rgba[2] = rgba[0]
    rgba[3] = np.where(visible, 255, 0)
    rgba[:3, ~visible] = 0  # transparent pixels compress best when they are all alike
    return rgba
