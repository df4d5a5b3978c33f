"""From the settings to who executes tasks, and to the workers that come and go."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.settings import Settings, load
from prismcube.errors import ConfigurationError
from prismcube.jobs.engines.dask import DaskEngine
from prismcube.jobs.engines.local import LocalEngine
from prismcube.jobs.ledger import Ledger
from server.jobs.run import make_engine, make_pool

SHIPPED = Path(__file__).resolve().parents[3] / "pygeoapi-config.yml"
SCHEDULER = "tcp://127.0.0.1:1"


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    def make(**jobs: Any) -> Settings:
        path = tmp_path / "pygeoapi-config.yml"
        document = yaml.safe_load(SHIPPED.read_text())
        path.write_text(yaml.safe_dump({**document, "prismcube": {"home": str(tmp_path), "jobs": jobs}}))
        return load(path)

    return make


def reason(error: ConfigurationError) -> dict[str, str]:
    return dict(error.mistakes)


def test_engines_by_their_names(settings: Callable[..., Settings]) -> None:
    assert isinstance(make_engine(settings()), LocalEngine)
    resources = [{"kind": "consolidate.slab", "resource": "process"}]
    engine = make_engine(settings(engine="dask", scheduler=SCHEDULER, resources=resources))
    assert isinstance(engine, DaskEngine)
    assert engine.about()["scheduler"] == SCHEDULER
    engine.close()


def test_dask_needs_a_scheduler(settings: Callable[..., Settings]) -> None:
    with pytest.raises(ConfigurationError) as error:
        make_engine(settings(engine="dask"))
    assert reason(error.value) == {
        "prismcube.jobs.scheduler": "the engine dask needs an address, such as tcp://scheduler:8786"
    }


def test_dask_needs_to_be_installed(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prismcube.jobs.engines.dask", None)
    with pytest.raises(ConfigurationError) as error:
        make_engine(settings(engine="dask", scheduler=SCHEDULER))
    assert "install prismcube[dask]" in reason(error.value)["prismcube.jobs.engine"]


@pytest.mark.parametrize(
    ("jobs", "name", "why"),
    [
        ({"pool": {"kind": "local"}}, "pool.kind", "only the engine dask"),
        ({"engine": "dask", "scheduler": SCHEDULER, "pool": {"kind": "kubernetes"}}, "pool.cluster", "name of"),
        (
            {"engine": "dask", "scheduler": SCHEDULER, "pool": {"kind": "kubernetes", "cluster": "eo"}},
            "pool.kind",
            "install dask-kubernetes",
        ),
    ],
)
def test_pools_that_can_not_be(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, jobs: Any, name: str, why: str
) -> None:
    monkeypatch.setitem(sys.modules, "dask_kubernetes.operator", None)
    made = settings(**jobs)
    engine, ledger = make_engine(made), _no_ledger()
    with pytest.raises(ConfigurationError) as error:
        make_pool(made, engine, ledger)
    assert why in reason(error.value)[f"prismcube.jobs.{name}"]


def test_pool_where_one_is_asked_for(settings: Callable[..., Settings]) -> None:
    jobs: Any = {"engine": "dask", "scheduler": SCHEDULER}
    made = settings(**jobs)
    engine = make_engine(made)
    assert make_pool(made, engine, _no_ledger()) is None
    with_pool = settings(**jobs, pool={"kind": "local", "most": 4, "ratios": [{"kind": "a", "ratio": 2}]})
    assert make_pool(with_pool, engine, _no_ledger()) is not None


def _no_ledger() -> Ledger:
    made: Any = type("Ledger", (), {"backlog": lambda self: {}})()
    return made
