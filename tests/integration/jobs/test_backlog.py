"""What workers are scaled by: the ledger's backlog, the documented query, the figures; and the example manifests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from prometheus_client import CollectorRegistry

from prismcube.catalogue import Catalogue
from prismcube.jobs.entities import NewJob
from prismcube.jobs.ledger import Ledger
from prismcube.model.machine import Level
from server.jobs.figures import JobFigures
from server.metrics import Metrics

ROOT = Path(__file__).resolve().parents[3]
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yml"))


@pytest.fixture
def busy(ledger: Ledger, driver: Any) -> dict[str, int]:
    """A ledger with jobs in many states; the backlog that it has."""
    for _ in range(3):
        driver.submit()
    driver.end(driver.claim("one", 1)[0])  # done: no longer
    driver.claim("one", 1)  # running: still
    driver.submit("fan")
    driver.submit("fan", level=Level.ALL)  # paused: not until somebody lets it go on
    stopped = driver.submit("fan")
    for order in driver.claim("fan.prepare"):
        if order.job == stopped.id:
            ledger.cancel(stopped.id)
    waiting = ledger.submit(NewJob(process="one"))[0]
    ledger.cancel(waiting.id)
    return {"one": 2, "fan.prepare": 1}


def test_backlog_is_what_the_figures_tell(ledger: Ledger, busy: dict[str, int], catalogue: Catalogue) -> None:
    assert ledger.backlog() == busy
    text = Metrics().measured("", JobFigures(catalogue))[0].decode()
    told = dict(re.findall(r'^prismcube_jobs_backlog\{kind="(.+)"\} (.+)$', text, re.MULTILINE))
    assert {kind: float(number) for kind, number in told.items()} == busy
    jobs = dict(re.findall(r'^prismcube_jobs\{status="(.+)"\} (.+)$', text, re.MULTILINE))
    assert {status: float(number) for status, number in jobs.items()} == {
        status.value: number for status, number in ledger.statuses().items()
    }
    assert jobs["successful"] == "1.0"
    assert "prismcube_requests_running" in text


def test_figures_without_a_ledger_that_answers(tmp_path: Path) -> None:
    catalogue = Catalogue(f"sqlite:///{tmp_path}/none.sqlite")
    registry = CollectorRegistry()
    registry.register(JobFigures(catalogue))
    assert list(registry.collect()) == []
    catalogue.close()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_query_of_keda_gives_the_backlog(url: str, ledger: Ledger, busy: dict[str, int]) -> None:
    query = trigger()["metadata"]["query"]
    with psycopg.connect(url) as connection:
        assert connection.execute(query).fetchone() == (sum(busy.values()),)
    assert query in (ROOT / "docs" / "how-to" / "scale-out.md").read_text()


def trigger() -> Any:
    """What KEDA looks at."""
    (found,) = [one for one in objects() if one["kind"] == "ScaledObject"]
    return found["spec"]["triggers"][0]


def objects() -> list[Any]:
    return [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text())]


def test_manifests_fit_each_other() -> None:
    found = objects()
    assert len(MANIFESTS) == 5
    assert all(one["apiVersion"] and one["metadata"]["name"] for one in found)
    named = {(one["kind"], one["metadata"]["name"]) for one in found}
    (scaled,) = [one for one in found if one["kind"] == "ScaledObject"]
    assert ("Deployment", scaled["spec"]["scaleTargetRef"]["name"]) in named
    assert ("TriggerAuthentication", trigger()["authenticationRef"]["name"]) in named
    for one in found:
        if one["kind"] == "Deployment":
            labels = one["spec"]["template"]["metadata"]["labels"]
            assert one["spec"]["selector"]["matchLabels"] == labels
    (settings,) = [one["data"] for one in found if one["kind"] == "ConfigMap"]
    address = settings["PRISMCUBE_JOBS__SCHEDULER"]
    assert ("Service", address.removeprefix("tcp://").partition(":")[0]) in named
    workers = [one for one in found if one["metadata"]["name"] == "prismcube-worker" and one["kind"] == "Deployment"]
    (container,) = workers[0]["spec"]["template"]["spec"]["containers"]
    assert {address, "--no-nanny"} <= set(container["command"])
