"""How often the parts of a GeoTIFF may visit files."""

from types import SimpleNamespace

import pytest
from affine import Affine

from prismcube.errors import BudgetExceeded
from prismcube.model.grid import Grid
from providers.ogc.coverage.handler import MOST_VISITS, _check_visits

GRID = Grid("EPSG:32633", Affine(10, 0, 0, 0, -10, 0), 1000, 1000)


@pytest.mark.parametrize(("files", "rows", "fits"), [(MOST_VISITS, 1000, True), (100, 1, False), (50, 1, True)])
def test_parts_too_small_for_their_files_are_refused(files, rows, fits):
    plan = SimpleNamespace(grid=GRID, steps=range(files))
    if fits:
        _check_visits(plan, rows)
        return
    with pytest.raises(BudgetExceeded, match="visits to files"):
        _check_visits(plan, rows)
