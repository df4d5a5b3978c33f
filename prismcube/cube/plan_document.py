"""Plans as JSON: all that is needed to make the same cube elsewhere, with no catalogue. Pure.

    plan_document(plan) -> dict     the `f=plan` document
    parse_plan(document) -> CubePlan

The layouts of files stand together in `layouts`, packed and in base64; a step names its own by number. A document may
come from a stranger: everything is checked, and nothing grows beyond what its own length and `MOST_LAYOUT_BYTES`
account for. What a plan costs is worked out anew, but for `readBytes`, which are believed.
"""

from __future__ import annotations

import base64
import binascii
import math
import sys
from collections.abc import Sequence
from typing import Any

from affine import Affine

from prismcube.cube.levels import Scale
from prismcube.cube.mosaic import mosaic_rule
from prismcube.cube.plan import BandRead, CubePlan, LayerPlan, ReadStep, SlicePlan, fits
from prismcube.errors import LARGEST, InvalidInput
from prismcube.model.collection import ComputedField
from prismcube.model.cube import OutputField, Step
from prismcube.model.entities import LONGEST_SUBDIR, LONGEST_URI, RESAMPLINGS
from prismcube.model.expression import Expression
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Grid, is_flat
from prismcube.model.mask import MaskRule
from prismcube.model.period import format_instant, parse_instant
from prismcube.model.slant import Slant
from prismcube.tiff.layout import Layout, NotUnderstood
from prismcube.tiff.packed import pack, unpack, unpacked_size

MOST_LAYOUT_BYTES = 2**28
"""Of all layouts of a plan, unpacked."""
LONGEST_TEXT = 20_000
"""Characters of any other text."""
LARGEST_SIDE = 2**31 - 1
MOST_BANDS = 2**16

_MAPPING = ("imin", "imax", "emin", "emax", "exponent")
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def plan_document(plan: CubePlan, *, layouts: bool = True) -> dict[str, Any]:
    """The plan as a document; without `layouts` it names all that decides the pixels, but can be
    executed only where no overview is read."""
    numbers: dict[Layout, int] = {}
    slices = [_slice_json(one, numbers if layouts else None) for one in plan.slices]
    return {
        "type": "CubePlan",
        "grid": plan.grid.to_json(),
        "fields": [_field_json(one) for one in plan.fields],
        "computed": [{"name": one.name, "expression": one.expression.text} for one in plan.computed],
        "masks": {name: str(rule) for name, rule in plan.masks.items()},
        "mosaic": plan.mosaic,
        "cost": plan.cost(),
        "slices": slices,
        "layouts": [base64.b64encode(pack(one)).decode() for one in numbers],
    }


def parse_plan(document: Any) -> CubePlan:
    """The plan that a document describes. Raises InvalidInput, naming the part that is wrong."""
    whole = _Part(document, "plan")
    whole.check(whole.text("type") == "CubePlan", "type", "is not CubePlan")
    layouts = _layouts(whole)
    fields = tuple(_field(one) for one in whole.parts("fields"))
    computed = tuple(
        ComputedField(name=one.text("name"), expression=_told(one, "expression", Expression, one.text("expression")))
        for one in whole.parts("computed")
    )
    masks = whole.part("masks")
    names = [one.name for one in fields]
    whole.check(len(set(names)) == len(names) > 0, "fields", "need names, each another")
    whole.check(set(masks.names) <= set(names), "masks", "name a field that is not made")
    return CubePlan(
        grid=_grid(whole.part("grid")),
        fields=fields,
        computed=computed,
        masks={name: _told(masks, name, MaskRule.parse, masks.text(name)) for name in masks.names},
        mosaic=_told(whole, "mosaic", _mosaic, whole.text("mosaic")),
        slices=tuple(_slice(one, layouts) for one in whole.parts("slices")),
    )


# --- writing ----------------------------------------------------------------------------------------------------------


def _number(value: float | None) -> float | str | None:
    """JSON has no other numbers than finite ones."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _field_json(field: OutputField) -> dict[str, Any]:
    return {
        "name": field.name,
        "unit": field.unit,
        "description": field.description,
        "resampling": field.resampling,
        "format": _format_json(field.format),
    }


def _format_json(format: DataFormat) -> dict[str, Any]:
    limits = {"minimum": format.minimum, "maximum": format.maximum}
    given = {name: value for name, value in limits.items() if value is not None}
    return {"dtype": format.dtype, "nodata": _number(format.nodata), **given}


def _slice_json(one: SlicePlan, numbers: dict[Layout, int] | None) -> dict[str, Any]:
    return {
        "start": format_instant(one.step.start),
        "end": format_instant(one.step.end),
        "layers": [
            {
                "record": layer.record,
                "recordId": layer.record_id,
                "steps": [_step_json(step, numbers) for step in layer.steps],
            }
            for layer in one.layers
        ],
    }


def _step_json(step: ReadStep, numbers: dict[Layout, int] | None) -> dict[str, Any]:
    number = None
    if step.layout is not None and numbers is not None:
        number = numbers.setdefault(step.layout, len(numbers))
    return {
        "datasetIds": list(step.dataset_ids),
        "uri": step.uri,
        "subdir": step.subdir,
        "etag": step.etag,
        "grid": step.grid.to_json(),
        "format": _format_json(step.format),
        "mode": step.mode,
        "resampling": step.resampling,
        "offset": list(step.offset) if step.offset else None,
        "level": step.level,
        "scale": list(step.scale),
        "turn": step.turn,
        "slant": None if step.slant is None else step.slant.to_json(),
        "bands": [
            {
                "target": band.target,
                "band": band.band,
                "mapping": {name: getattr(band.mapping, name) for name in _MAPPING},
            }
            for band in step.bands
        ],
        "readBytes": min(step.read_bytes, LARGEST),
        "layout": number,
        "fallback": step.fallback,
    }


# --- reading ----------------------------------------------------------------------------------------------------------


class _Part:
    """An object of the document, and where it stands, for messages."""

    def __init__(self, document: Any, path: str) -> None:
        if not isinstance(document, dict):
            raise InvalidInput(path, "is no object")
        self._document = document
        self.path = path

    @property
    def names(self) -> list[str]:
        return [*self._document]

    def check(self, holds: bool, name: str, reason: str) -> None:
        if not holds:
            raise InvalidInput(f"{self.path}.{name}"[:200], reason)

    def value(self, name: str) -> Any:
        self.check(name in self._document, name, "is missing")
        return self._document[name]

    def part(self, name: str) -> _Part:
        return _Part(self.value(name), f"{self.path}.{name}"[:200])

    def parts(self, name: str) -> list[_Part]:
        found = self.value(name)
        self.check(isinstance(found, list), name, "is no list")
        return [_Part(one, f"{self.path}.{name}[{number}]") for number, one in enumerate(found)]

    def text(self, name: str, *, longest: int = LONGEST_TEXT) -> str:
        found = self.value(name)
        self.check(isinstance(found, str) and len(found) <= longest, name, f"is no text of at most {longest:,} letters")
        return str(found)

    def whole(self, name: str, *, least: int = 0, most: int = LARGEST) -> int:
        return self.wholes(name, [self.value(name)], least=least, most=most)[0]

    def wholes(self, name: str, found: Any, *, least: int = 0, most: int = LARGEST) -> tuple[int, ...]:
        fine = isinstance(found, list) and all(type(one) is int and least <= one <= most for one in found)
        self.check(fine, name, f"must be of whole numbers from {least} to {most}")
        return tuple(found)

    def number(self, name: str, *, finite: bool = True) -> float:
        found = self.value(name)
        if not finite and isinstance(found, str) and found in _NOT_FINITE:
            return _NOT_FINITE[found]
        fine = type(found) in (int, float) and abs(found) <= sys.float_info.max  # no NaN, no integer beyond it
        self.check(fine, name, "is no number")
        return float(found)

    def affine(self, name: str) -> Affine:
        numbers = self.value(name)
        self.check(isinstance(numbers, list) and len(numbers) == 6, name, "is no list of six numbers")
        values = _Part({str(at): one for at, one in enumerate(numbers)}, f"{self.path}.{name}")
        return Affine(*(values.number(str(at)) for at in range(6)))

    def optional(self, name: str, *, finite: bool = True) -> float | None:
        return None if self._document.get(name) is None else self.number(name, finite=finite)


def _told(part: _Part, name: str, make: Any, *args: Any, **named: Any) -> Any:
    """What `make` makes, its refusal told with the place in the document."""
    try:
        return make(*args, **named)
    except InvalidInput as error:
        raise InvalidInput(f"{part.path}.{name}"[:200], f"{error.parameter} {error.reason}") from error


def _mosaic(name: str) -> str:
    mosaic_rule(name)
    return name


def _grid(part: _Part) -> Grid:
    crs = part.text("crs")
    part.check(_told(part, "crs", is_flat, crs), "crs", "is not a two-dimensional CRS")
    transform = part.affine("transform")
    height, width = (part.whole(name, least=1, most=LARGEST_SIDE) for name in ("height", "width"))
    grid: Grid = _told(part, "transform", Grid, crs, transform, height, width)
    _told(part, "transform", lambda: grid.bounds)  # finite
    return grid


def _slant(part: _Part, grid: Grid) -> Slant | None:
    """How pixels lie in their grid; plans of earlier versions don't tell."""
    if "slant" not in part.names or part.value("slant") is None:
        return None
    one = part.part("slant")
    height, width = (one.whole(name, least=1, most=LARGEST_SIDE) for name in ("height", "width"))
    slant: Slant = _told(one, "transform", Slant, one.affine("transform"), height, width)
    upright = _told(one, "transform", slant.upright, grid.crs)
    part.check(upright == grid, "slant", "is of pixels that have another grid around them")
    return slant


def _field(part: _Part) -> OutputField:
    return OutputField(
        part.text("name"),
        _format(part.part("format")),
        part.text("unit"),
        part.text("description"),
        _resampling(part),
    )


def _format(part: _Part) -> DataFormat:
    limits = {name: part.optional(name) for name in ("minimum", "maximum")}
    nodata = part.optional("nodata", finite=False)
    made: DataFormat = _told(part, "dtype", DataFormat, dtype=part.text("dtype"), nodata=nodata, **limits)
    return made


def _resampling(part: _Part) -> str:
    found = part.text("resampling")
    part.check(found in RESAMPLINGS, "resampling", f"is not one of {', '.join(RESAMPLINGS)}")
    return found


def _layouts(whole: _Part) -> list[Layout]:
    packed = whole.value("layouts")
    whole.check(isinstance(packed, list) and all(isinstance(one, str) for one in packed), "layouts", "are no texts")
    found, left = [], MOST_LAYOUT_BYTES
    for number, text in enumerate(packed):
        try:
            data = base64.b64decode(text, validate=True)
            left -= unpacked_size(data)
            whole.check(left >= 0, "layouts", f"are of more than {MOST_LAYOUT_BYTES:,} bytes")
            found.append(unpack(data))
        except (NotUnderstood, binascii.Error, ValueError) as error:
            raise InvalidInput(f"plan.layouts[{number}]", f"can't be unpacked ({error})") from error
    return found


def _slice(part: _Part, layouts: Sequence[Layout]) -> SlicePlan:
    layers = tuple(
        LayerPlan(one.whole("recordId"), one.text("record"), tuple(_step(step, layouts) for step in one.parts("steps")))
        for one in part.parts("layers")
    )
    part.check(bool(layers), "layers", "are none")
    start, end = (_told(part, name, parse_instant, part.text(name)) for name in ("start", "end"))
    return SlicePlan(Step(start, end, tuple(one.record for one in layers)), layers)


def _step(part: _Part, layouts: Sequence[Layout]) -> ReadStep:
    grid, format, mode = _grid(part.part("grid")), _format(part.part("format")), part.text("mode")
    bands = tuple(_band(one) for one in part.parts("bands"))
    part.check(bool(bands), "bands", "are none")
    offset = part.value("offset")
    if offset is not None:
        offset = part.wholes("offset", offset, least=-LARGEST_SIDE, most=LARGEST_SIDE)
    part.check(offset is None or len(offset) == 2, "offset", "is no pair")
    part.check(mode == ("warp" if offset is None else "copy"), "mode", "is warp without an offset, copy with one")
    slant = _slant(part, grid)
    part.check(slant is None or offset is None, "offset", "is given for a file with a slant, which is never copied")
    number = part.value("layout")
    part.check(slant is None or number is None, "layout", "is given for a file with a slant, which GDAL reads")
    layout = None
    if number is not None:
        layout = layouts[part.whole("layout", most=len(layouts) - 1)]
        last = max(one.band for one in bands)
        part.check(fits(layout, grid, format, last), "layout", "is not that of such a file")
    level = part.whole("level", most=len(layout.levels) - 1 if layout is not None else 0)
    return ReadStep(
        dataset_ids=part.wholes("datasetIds", part.value("datasetIds")),
        uri=part.text("uri", longest=LONGEST_URI),
        subdir=part.text("subdir", longest=LONGEST_SUBDIR),
        etag=part.text("etag"),
        grid=grid,
        format=format,
        mode="warp" if offset is None else "copy",
        resampling=_resampling(part),
        bands=bands,
        offset=offset,
        level=level,
        scale=_scale(part),
        turn=part.number("turn"),
        slant=slant,
        read_bytes=part.whole("readBytes"),
        layout=layout,
        fallback=part.text("fallback"),
    )


def _scale(part: _Part) -> Scale:
    found = part.value("scale")
    fine = isinstance(found, list) and len(found) == 2 and all(type(one) in (int, float) for one in found)
    part.check(fine and all(0 < one <= LARGEST_SIDE for one in found), "scale", "must be two positive numbers")
    return float(found[0]), float(found[1])


def _band(part: _Part) -> BandRead:
    mapping = part.part("mapping")
    numbers = {name: mapping.number(name) for name in _MAPPING}
    return BandRead(
        part.text("target"),
        part.whole("band", least=1, most=MOST_BANDS),
        _told(part, "mapping", ValueMapping, **numbers),
    )
