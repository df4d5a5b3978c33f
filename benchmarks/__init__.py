"""Speed beside the peers: `python -m benchmarks`, or `make bench`. Times are never asserted in tests."""
