"""Series: the values of some places over time, what positions, trajectories and reduced areas have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.model.cube import OutputField, SliceStatus, Step


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values of every field at every place and time step."""

    crs: str
    """Of `x` and `y`."""
    x: npt.NDArray[np.float64]
    """East or longitude of each place, shape (places,)."""
    y: npt.NDArray[np.float64]
    """North or latitude of each place, shape (places,)."""
    fields: tuple[OutputField, ...]
    steps: tuple[Step, ...]
    data: tuple[npt.NDArray[Any], ...]
    """One (steps, places) array a field, in the field's own type."""
    valid: tuple[npt.NDArray[np.bool_], ...]
    """One (steps, places) array a field; False where there is nothing."""
    ends: tuple[tuple[SliceStatus, str], ...]
    """(status, message) of each step."""

    @property
    def places(self) -> int:
        return len(self.x)
