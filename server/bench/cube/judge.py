"""The pixels that all engines are held against, and by how much they differ.

The judge is rasterio: aligned grids are read, all others are reprojected, every pixel placed by PROJ itself, from the
coarsest overview that is fine enough, with GDAL's kernel widened by how much the output is coarser than that overview.
Of files that overlap the later lies on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from server.bench.cube.engines import Cube


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How the pixels of an engine differ from the judge's."""

    pixels: int
    """All of them."""
    largest: int
    """Counts, where both have a value."""
    more_than_one: int
    """Pixels that differ by two counts or more, where both have a value."""
    masks: int
    """Pixels where only one of the two has a value."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def difference(found: Cube, truth: Cube) -> Difference:
    """Compare plane by plane. Raises ValueError when the shapes differ."""
    if found.shape != truth.shape or found.dtype != truth.dtype:
        raise ValueError(f"made {found.dtype}{found.shape}, wanted {truth.dtype}{truth.shape}")
    parts = [_plane(found[at], truth[at]) for at in np.ndindex(*found.shape[:2])]
    return together(parts)


def together(parts: Sequence[Difference]) -> Difference:
    return Difference(
        pixels=sum(one.pixels for one in parts),
        largest=max((one.largest for one in parts), default=0),
        more_than_one=sum(one.more_than_one for one in parts),
        masks=sum(one.masks for one in parts),
    )


def _plane(found: Any, truth: Any) -> Difference:
    both = (found != 0) & (truth != 0)
    apart = np.abs(found.astype(np.int32) - truth.astype(np.int32))[both]
    return Difference(
        pixels=found.size,
        largest=int(apart.max(initial=0)),
        more_than_one=int((apart > 1).sum()),
        masks=int(((found != 0) != (truth != 0)).sum()),
    )
