"""Echo: gives back what it is given. It shows every kind of input there is, and lets clients try out how jobs go.

The inputs and outputs are those by which the tests of the standard know an echo process (18-062r2, annex A).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from prismcube.errors import InvalidInput, TemporaryFailure
from prismcube.model.machine import simple_machine
from prismcube.model.work import Work
from processes.process import Estimate, Input, Inputs, Output, Process
from processes.tools import Tools

LOOK_SECONDS = 0.05
"""Between two looks, while it pauses, whether anybody still waits."""

_TEXT = {"type": "string", "maxLength": 10_000}
_MEASURE = {
    "anyOf": [
        {"type": "number"},
        {
            "type": "object",
            "required": ["measurement", "uom"],
            "properties": {
                "measurement": {"type": "number"},
                "uom": {"type": "string", "minLength": 1, "maxLength": 100},
                "reference": {"type": "string", "format": "uri", "maxLength": 1000},
            },
        },
    ]
}
_COMPLEX = {
    "type": "object",
    "maxProperties": 100,
    "properties": {
        "property1": {"type": "string"},
        "property2": {"type": "string", "format": "uri"},
        "property3": {"type": "number"},
        "property4": {"type": "string", "format": "date-time"},
        "property5": {"type": "boolean"},
    },
}
_KINDS = ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"]
_GEOMETRY = {
    "allOf": [
        {
            "format": "geojson-geometry",
            "type": "object",
            "required": ["type", "coordinates"],
            "properties": {"type": {"enum": _KINDS}, "coordinates": {"type": "array", "maxItems": 10_000}},
        }
    ]
}
_BOX = {
    "allOf": [
        {
            "format": "ogc-bbox",
            "type": "object",
            "required": ["bbox"],
            "properties": {
                "bbox": {
                    "anyOf": [
                        {"type": "array", "minItems": n, "maxItems": n, "items": {"type": "number"}} for n in (4, 6)
                    ]
                },
                "crs": {
                    "type": "string",
                    "maxLength": 200,
                    "default": "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
                },
            },
        }
    ]
}
_LINK = {
    "type": "object",
    "required": ["href"],
    "properties": {
        "href": {"type": "string", "pattern": "^https?://", "maxLength": 2000},
        "type": {"type": "string", "enum": ["image/tiff; application=geotiff", "image/png", "image/jp2"]},
        "rel": {"type": "string"},
        "title": {"type": "string"},
    },
    "additionalProperties": False,
}
_IMAGE = {
    "anyOf": [
        {
            "type": "string",
            "contentEncoding": "base64",
            "contentMediaType": media_type,
            "pattern": "^[A-Za-z0-9+/=\\s]*$",
            "maxLength": 1_000_000,
        }
        for media_type in ("image/tiff; application=geotiff", "image/png", "image/jp2")
    ]
    + [_LINK]
}
_FEATURES = {
    "allOf": [
        {
            "format": "geojson-feature-collection",
            "type": "object",
            "required": ["type", "features"],
            "properties": {
                "type": {"const": "FeatureCollection"},
                "features": {
                    "type": "array",
                    "maxItems": 10_000,
                    "items": {
                        "type": "object",
                        "required": ["type", "geometry", "properties"],
                        "properties": {
                            "type": {"const": "Feature"},
                            "geometry": {"anyOf": [_GEOMETRY, {"type": "null"}]},
                            "properties": {"type": ["object", "null"]},
                        },
                    },
                },
            },
        }
    ]
}

_POINT = {"type": "Point", "coordinates": [23.5, 45.9]}
_ECHOED: dict[str, tuple[Input, str]] = {
    "string": (Input(title="Text", description="Any text.", schema=_TEXT, example="teststring"), "text"),
    "measure": (
        Input(
            title="Measure",
            description="A number with its unit of measure, or a bare number.",
            schema=_MEASURE,
            example={"measurement": 10.3, "uom": "m", "reference": "http://www.opengis.net/def/uom/UCUM/m"},
        ),
        "measure",
    ),
    "date": (
        Input(
            title="Instant",
            description="Date and time (RFC 3339).",
            schema={"type": "string", "format": "date-time", "maxLength": 40},
            example="2021-03-06T07:21:00Z",
        ),
        "instant",
    ),
    "double": (
        Input(
            title="Number",
            description="Greater than 0, at most 10.",
            schema={"type": "number", "format": "double", "exclusiveMinimum": 0, "maximum": 10, "default": 5},
            example=3.14159,
        ),
        "number",
    ),
    "array": (
        Input(
            title="Whole numbers",
            description="Two to ten of them, which are one value.",
            schema={"type": "array", "minItems": 2, "maxItems": 10, "items": {"type": "integer"}},
            example=[1, 2, 3, 4, 5, 6],
        ),
        "numbers",
    ),
    "complexObject": (
        Input(
            title="Object",
            description="A JSON object, in which some members have a type.",
            schema=_COMPLEX,
            example={"property1": "value1", "property2": "http://www.example.org", "property5": True},
        ),
        "object",
    ),
    "geometry": (
        Input(
            title="Geometries",
            description="Up to five GeoJSON geometries.",
            schema=_GEOMETRY,
            example=[_POINT],
            most=5,
        ),
        "geometries",
    ),
    "boundingBox": (
        Input(
            title="Box",
            description="A box with the CRS of its corners.",
            schema=_BOX,
            example={"bbox": [51.9, 7, 52, 7.1], "crs": "http://www.opengis.net/def/crs/EPSG/0/4326"},
        ),
        "box",
    ),
    "images": (
        Input(
            title="Images",
            description="Up to five images, each base64 or a link; a link is given back without being followed.",
            schema=_IMAGE,
            example=[{"href": "https://www.example.org/image.tif", "type": "image/tiff; application=geotiff"}],
            most=5,
            takes_links=True,
        ),
        "images",
    ),
    "featureCollection": (
        Input(
            title="Features",
            description="A GeoJSON feature collection.",
            schema=_FEATURES,
            example={
                "type": "FeatureCollection",
                "features": [{"type": "Feature", "geometry": _POINT, "properties": {"name": "a place"}}],
            },
        ),
        "features",
    ),
}
"""By the beginning of their names: each input, and what its output is called."""

_INPUTS = {
    **{f"{name}Input": one for name, (one, _) in _ECHOED.items()},
    "pause": Input(
        title="Pause",
        description="Seconds that it waits before it answers.",
        schema={"type": "number", "minimum": 0, "maximum": 3600, "default": 0},
        example=0,
    ),
    "fail": Input(
        title="Failure",
        description="How it fails after the pause: `for-good` (a retry fails again), `until-retried` (a person must "
        "ask for another attempt), `at-first` (it is tried again by itself), `by-defect` (an error nobody foresaw).",
        schema={"enum": ["no", "for-good", "until-retried", "at-first", "by-defect"], "default": "no"},
        example="no",
    ),
}


def _schema(one: Input) -> Mapping[str, Any]:
    """Of an output, in which a default would mean nothing."""
    return {name: value for name, value in one.whole_schema.items() if name != "default"}


_OUTPUTS = {
    f"{name}Output": Output(title=one.title, description=f"The {what} that came in.", schema=_schema(one))
    for name, (one, what) in _ECHOED.items()
}


def estimate(tools: Tools, inputs: Inputs) -> Estimate:
    del tools
    seconds = inputs.get("pause", 0)
    return Estimate(tasks=1, files=0, read_bytes=0, written_bytes=0, details={"seconds": seconds})


def echo(tools: Tools, work: Work, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Waits, fails if it is to, and gives back what came in."""
    del tools, payload
    pause = float(work.inputs.get("pause", 0))
    if pause:
        work.log(f"waits for {pause:g} seconds")
    begun = time.monotonic()
    while (waited := time.monotonic() - begun) < pause:
        work.progress(waited / pause, f"{waited:.0f} of {pause:g} seconds")
        time.sleep(min(LOOK_SECONDS, pause - waited))
    match work.inputs.get("fail", "no"):
        case "for-good":
            raise InvalidInput("fail", "it was to fail")
        case "until-retried" if work.attempt == 1:
            raise InvalidInput("fail", "it was to fail until it is retried")
        case "at-first" if work.attempt == 1:
            raise TemporaryFailure("it was to fail at first")
        case "by-defect":
            raise RuntimeError("it was to fail by a defect")
    return {
        f"{name}Output": work.inputs[f"{name}Input"] for name in _ECHOED if work.inputs.get(f"{name}Input") is not None
    }


PROCESS = Process(
    id="echo",
    title="Echo",
    description="Gives back each input as the output of the same name, after a pause; to try out clients.",
    keywords=("echo", "test"),
    inputs=_INPUTS,
    outputs=_OUTPUTS,
    machine=simple_machine("echo", meaning="It waits, and gives back what it was given."),
    bodies={"echo": echo},
    estimate=estimate,
    synchronous=True,
    changes_data=False,
)
