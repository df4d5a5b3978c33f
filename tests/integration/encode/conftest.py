"""Cubes of numbers that a seed decides, for every encoder."""

import math
import resource
import signal
import weakref
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from affine import Affine

from prismcube.model.cube import CubeHeader, OutputField, Slice, SliceStatus, Step
from prismcube.model.formats import DataFormat, cast
from prismcube.model.grid import Grid


def build(
    formats, *, shape=(3, 4), steps=2, seed=0, crs="EPSG:32632", pixel=10.0, names=None, resampling="nearest", ends=None
):
    """(header, slices): values over the whole range of each type, about a fourth of the pixels not valid."""
    x, y = (8.5, 45.5) if crs in ("EPSG:4326", "OGC:CRS84") else (500_000, 5_000_000)
    grid = Grid(crs, Affine(pixel, 0, x, 0, -pixel, y), *shape)
    fields = tuple(
        OutputField(names[i] if names else f"f{i}", one, "m" if i % 2 == 0 else "", f"field {i}", resampling)
        for i, one in enumerate(formats)
    )
    days = [datetime(2020, 2, 28, 10, 30, 15, tzinfo=UTC) + timedelta(days=i) for i in range(steps)]
    header = CubeHeader(grid, fields, tuple(Step(day, day, (f"A{i}", f"B{i} é")) for i, day in enumerate(days)))
    random = np.random.default_rng(seed)
    slices = []
    for index in range(steps):
        data, valid = [], []
        for field in fields:
            mask = random.random(shape) > 0.25
            data.append(cast(_values(random, field.format, shape), mask, field.format))
            valid.append(mask)
        status, message = (ends or {}).get(index, (SliceStatus.OK, ""))
        slices.append(Slice(index, tuple(data), tuple(valid), status, message))
    return header, slices


def _values(random, format, shape):
    if format.is_floating:
        return random.normal(0, 1e6, shape).astype(format.dtype)
    limits = np.iinfo(format.dtype)
    return random.integers(limits.min, limits.max, shape, dtype=format.dtype, endpoint=True)


@pytest.fixture(scope="session")
def make_cube():
    return build


@pytest.fixture(scope="session")
def formats():
    """One of each kind: with nodata and without, NaN and a number."""
    return (
        DataFormat(dtype="uint8", nodata=0),
        DataFormat(dtype="int8", nodata=-128),
        DataFormat(dtype="uint16", nodata=65535),
        DataFormat(dtype="int16", nodata=-9999),
        DataFormat(dtype="uint32", nodata=7),
        DataFormat(dtype="int32", nodata=-1),
        DataFormat(dtype="float32", nodata=math.nan),
        DataFormat(dtype="float64", nodata=-9999.5),
        DataFormat(dtype="float32"),
        DataFormat(dtype="uint8"),
    )


@pytest.fixture(scope="session")
def one_at_a_time(make_cube):
    """(header, slices) of a long cube whose slices fail when more than the one before is still held."""

    def cube(formats, *, steps, shape):
        header, _ = make_cube(formats, shape=shape, steps=steps)

        def slices():
            given = []
            for index in range(steps):
                held = sum(reference() is not None for reference in given)
                assert held <= 1, f"{held} slices are held at step {index}"
                _, (one,) = make_cube(formats, shape=shape, steps=1, seed=index)
                given.append(weakref.ref(one.data[0]))
                yield Slice(index, one.data, one.valid)
                del one

        return header, slices()

    return cube


@pytest.fixture
def small_files():
    """A context in which the process may write files of so many bytes only, as on a disk that fills."""

    @contextmanager
    def limited(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

    return limited
