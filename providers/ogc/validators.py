"""Validators of answers (RFC 9110, section 8.8): what tells that an answer is still the same."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

import orjson

from prismcube.cube.plan import CubePlan
from prismcube.cube.plan_document import plan_document

VERSION = version("prismcube")
"""Read once: it stands in a file."""


def tag_of(plan: CubePlan, *more: str) -> str:
    """The strong validator of pixels: the plan names every file with its state, and all that is done with them.

    Known before anything is read, so that a client who has the answer costs nothing. `more`: what else decides the
    bytes, such as the format.
    """
    document = orjson.dumps(
        [VERSION, plan_document(plan, layouts=False), plan.etags, *more], option=orjson.OPT_SORT_KEYS
    )
    return f'"{hashlib.blake2b(document, digest_size=16).hexdigest()}"'


def has_tag(header: str, etag: str) -> bool:
    """True when an If-None-Match header names the tag, compared weakly (RFC 9110, 13.1.2)."""
    seen = [part.strip().removeprefix("W/") for part in header.split(",")]
    return header.strip() == "*" or etag.removeprefix("W/") in seen
