"""What GDAL says of bands beyond TIFF's own fields: its XML (tag 42112) and its nodata (tag 42113). Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from prismcube.tiff.fields import Tag, text


def item(name: str, value: str, band: int | None = None, *, role: str = "") -> str:
    """An item of the XML, of the file or of a 0-based band."""
    sample = "" if band is None else f' sample="{band}"'
    more = f' role="{role}"' if role else ""
    plain = "".join(one if one.isprintable() else " " for one in value)  # XML has no place for most control characters
    # GDAL undoes the escaping of values twice, since it always wrote it twice.
    return f"<Item name={quoteattr(name)}{sample}{more}>{escape(escape(plain))}</Item>"


def metadata_tag(items: Iterable[str]) -> Tag:
    return text(42112, "\n".join(["<GDALMetadata>", *items, "</GDALMetadata>"]))


def nodata_tag(value: float) -> Tag:
    """As GDAL writes it."""
    return text(42113, "nan" if math.isnan(value) else f"{value:.17g}")
