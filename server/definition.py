"""The OpenAPI document of one worker, made once for each thing it depends on; the number of collections is none."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from providers.ogc.answer import Context
from server.examples import Examples, find_examples
from server.openapi import openapi_document

KEPT = 16
"""Documents at most: one for each address, language and set of examples that callers see."""


class Definition:
    """Keeps the documents made last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, Examples], dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def document(self, context: Context, *, base: str, metadata: Mapping[str, Any], language: str) -> dict[str, Any]:
        """The document with examples that the caller may see, and a language. It is shared: not to be changed."""
        examples = find_examples(context)
        key = (base, repr(metadata), examples)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = openapi_document(
                    base=base, metadata=metadata, examples=examples, limits=context.limits, language=language
                )
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]
