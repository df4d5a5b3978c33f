"""Settings and layouts by which no file is written: refused before there is a job."""

from __future__ import annotations

import pytest

from prismcube.errors import InvalidInput
from prismcube.model.consolidation import ConsolidationParams, StorageClass
from processes import consolidate


@pytest.fixture
def one(sqlite_bench, pixels):
    sqlite_bench.variable()
    sqlite_bench.add(pixels(100, 150))
    return sqlite_bench


@pytest.mark.parametrize("of", ["job", "variable"])
def test_a_storage_class_that_the_target_does_not_have(one, of):
    inputs = {"instances": ["v/i"], "layout": one.layout()}
    variable = one.catalogue.variables.get("v")
    if of == "variable":
        own = ConsolidationParams(format=variable.format, storage_class=StorageClass.ARCHIVE)
        one.catalogue.consolidation.put(variable.id, own)
    else:
        inputs["consolidation"] = {"storage_class": "archive"}
    for ask in (consolidate.check, consolidate.estimate):
        with pytest.raises(InvalidInput, match=r"'archive' can't be had in file:.* local folder has no") as raised:
            ask(one.tools, inputs)
        assert raised.value.parameter == "consolidation.storage_class"
    one.catalogue.managed = "az://container/prism"  # where it belongs to the account, and to blobs later on
    with pytest.raises(InvalidInput, match="stores of az:// have no such class"):
        consolidate.check(one.tools, inputs)
    one.catalogue.managed = "gs://bucket/prism"
    consolidate.check(one.tools, inputs)
    one.catalogue.managed = one.managed.as_uri()
    one.consolidate(**inputs | {"consolidation": {"storage_class": "standard"}}).run()
    written = [one for one in one.catalogue.containers.list() if one.managed]
    assert {one.storage_class for one in written} == {"standard"}


def test_a_layout_without_overviews(one):
    bare = {"instances": ["v/i"], "layout": one.layout("bare", overviews_min_size=0)}
    for ask in (consolidate.check, consolidate.estimate):
        with pytest.raises(InvalidInput, match="bare has overviews_min_size 0, and consolidated files") as raised:
            ask(one.tools, bare)
        assert raised.value.parameter == "layout"
    consolidate.check(one.tools, {**bare, "layout": one.layout("default", overviews_min_size=-1)})
