"""Why GDAL reads files is counted under few labels, whatever a plan brings."""

from __future__ import annotations

from server.metrics import MOST_REASONS, Metrics


def counted(metrics: Metrics) -> dict[str, float]:
    text = metrics.measured("")[0].decode()
    found = {}
    for line in text.splitlines():
        if line.startswith("prismcube_fallbacks_total{"):
            reason, _, number = line.removeprefix('prismcube_fallbacks_total{reason="').partition('"} ')
            found[reason] = float(number)
    return found


def test_fallbacks_by_reason() -> None:
    metrics = Metrics()
    for reason in ("JPEG compression", "blocks of 72 MB", "blocks of 1,072.5 MB"):
        metrics.fell_back(reason)
    assert counted(metrics) == {"JPEG compression": 1, "blocks of N MB": 2}


def test_labels_are_bounded() -> None:
    metrics = Metrics()
    for number in range(5000):
        metrics.fell_back("reason " + "x" * number)
    metrics.fell_back("another")
    figures = counted(metrics)
    assert len(figures) == MOST_REASONS + 1
    assert sum(figures.values()) == 5001
