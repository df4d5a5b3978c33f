"""Tidying up and mappings as processes: what they say they would do is what they do."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.grid import Grid
from processes import tidy, update_mapping

GRID = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 100, 150)


@pytest.fixture
def two(bench, pixels):
    bench.variable(dtype="float32", nodata=float("nan"))
    for day in range(2):
        bench.add(pixels(100, 150, seed=day), day=day)
    return bench


def test_tidy_removes_what_nothing_refers_to(two):
    two.catalogue.datasets.delete([two.datasets()[0].id])
    simulated = two.job(tidy.PROCESS, simulate=True).run()
    assert simulated.results["removed"]["records"] == 1
    assert len(two.catalogue.records.list()) == 2
    assert tidy.estimate(two.tools, {}).details["removed"] == simulated.results["removed"]
    only = two.job(tidy.PROCESS, kinds=["aois"]).run()
    assert only.results == {"removed": {"aois": 0}}
    done = two.job(tidy.PROCESS).run()
    assert done.results == simulated.results
    assert len(two.catalogue.records.list()) == 1


def test_a_mapping_is_updated(two):
    before = two.cube(GRID)
    inputs = {
        "instance": "v/i",
        "format": {"dtype": "uint16", "nodata": 0},
        "mapping": {"imin": 0, "imax": 1000, "emin": 0, "emax": 1},
    }
    assert update_mapping.estimate(two.tools, inputs).details == {"datasets": 2}
    simulated = two.job(update_mapping.PROCESS, **inputs, simulate=True).run()
    assert simulated.results["changed"] == 2
    np.testing.assert_array_equal(two.cube(GRID)[("R0",)][0], before[("R0",)][0])
    record = two.datasets()[0].record_id
    one = two.job(update_mapping.PROCESS, **inputs, records=[record]).run()
    assert one.results["changed"] == 1
    every = two.job(update_mapping.PROCESS, **inputs).run()
    assert every.results["changed"] == 1
    assert [former["datasets"] for former in every.results["former"]] == [1, 1]
    for key, (values, _) in two.cube(GRID).items():
        np.testing.assert_allclose(values, before[key][0] / 1000, rtol=1e-6)


def test_what_is_no_mapping_is_refused(two):
    inputs = {"instance": "v/i", "format": {"dtype": "uint16"}, "mapping": {"imin": 1, "imax": 0}}
    with pytest.raises(InvalidInput) as raised:
        two.job(update_mapping.PROCESS, **inputs)
    assert raised.value.parameter == "mapping.imin"
    inputs = {"instance": "v/i", "format": {"dtype": "int8"}, "mapping": {}}
    for simulate in (False, True):
        with pytest.raises(InvalidInput, match="files hold uint16") as raised:
            two.job(update_mapping.PROCESS, **inputs, simulate=simulate)
        assert raised.value.parameter == "format.dtype"
    with pytest.raises(NotFound):
        two.job(update_mapping.PROCESS, **inputs | {"instance": "v/none"})


def test_what_a_job_holds_has_no_new_mapping(two):
    inputs = {"instance": "v/i", "format": {"dtype": "uint16", "nodata": 3}, "mapping": {}}
    [first, second] = two.datasets()
    two.catalogue.datasets.lock([first.id], "other")
    with pytest.raises(Conflict, match="locked by job 'other'"):
        two.job(update_mapping.PROCESS, **inputs)
    assert two.job(update_mapping.PROCESS, **inputs, simulate=True).run().results["changed"] == 2
    assert two.job(update_mapping.PROCESS, **inputs, records=[second.record_id]).run().results["changed"] == 1
