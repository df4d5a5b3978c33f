"""Many stored blocks to their pixels by one compiled call: without the interpreter between them, without its lock.

    unpack(level, data, parts, out)
        kernel, for each part:   data ── the codec's function ─> a block, in a buffer of the thread
                                 block ── sum_up, join_bytes or pick ─> its place in `out`

A block by itself costs a third of its codec's time in the interpreter; and each thread that comes back from a codec
waits until another one leaves the interpreter. The functions are those of the libraries that the modules of
imagecodecs are linked with, found by their names; each thread keeps a context. Where a module has its library within,
there are none, and whoever calls `unpack` decodes block by block (`prismcube.tiff.decode`).
"""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from prismcube.tiff.kernels import UNSIGNED, compiled
from prismcube.tiff.layout import Level
from prismcube.tiff.scratch import scratch

LOG = logging.getLogger("prismcube.tiff")

Pixels = npt.NDArray[Any]


class Part(NamedTuple):
    """A part of a stored block, and where it goes."""

    start: int
    """Of the stored bytes, in the data that was read."""
    size: int
    row: int
    """First row within the block."""
    col: int
    first: int
    """First band of `out`."""
    at_row: int
    at_col: int
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class _Names:
    """Of a codec's functions in its library, and the number by which the kernel knows it."""

    number: int
    module: str
    """Of imagecodecs."""
    make: str
    free: str
    decode: str


_NAMES = {
    "zstd": _Names(
        number=0, module="_zstd", make="ZSTD_createDCtx", free="ZSTD_freeDCtx", decode="ZSTD_decompressDCtx"
    ),
    "deflate": _Names(
        number=1,
        module="_deflate",
        make="libdeflate_alloc_decompressor",
        free="libdeflate_free_decompressor",
        decode="libdeflate_zlib_decompress",
    ),
}
"""Source: zstd.h of Zstandard 1.5, "Explicit context"; libdeflate.h of libdeflate 1.20."""


class _Library:
    """The functions of a codec."""

    def __init__(self, names: _Names) -> None:
        """Raises ImportError, OSError and AttributeError when they can't be found."""
        module = import_module(f"imagecodecs.{names.module}")
        # A symbol that is looked up in a module is looked up in the libraries it is linked with, too: dlsym(3).
        library = ctypes.CDLL(module.__file__)
        self.number = names.number
        self._make, self._free = getattr(library, names.make), getattr(library, names.free)
        self._make.restype, self._make.argtypes = ctypes.c_void_p, ()
        self._free.restype, self._free.argtypes = ctypes.c_size_t, (ctypes.c_void_p,)
        self.decode = ctypes.cast(getattr(library, names.decode), ctypes.c_void_p).value or 0
        """Its address."""

    def context(self) -> _Context:
        """A new one, for one thread at a time. Raises MemoryError."""
        made = self._make()
        if not made:
            raise MemoryError("there is no memory for a codec")
        return _Context(made, self._free)


class _Context:
    """What a codec works with; goes back with the object."""

    def __init__(self, address: int, free: Any) -> None:
        self.address = address
        weakref.finalize(self, free, address).atexit = False


class _Contexts(threading.local):
    """Of a thread, by codec."""

    def __init__(self) -> None:
        self.made: dict[str, _Context] = {}


_contexts = _Contexts()


@cache
def _library(codec: str) -> _Library | None:
    """None when there is none that can be called."""
    names = _NAMES.get(codec)
    if names is None:
        return None
    try:
        return _Library(names)
    except (ImportError, OSError, AttributeError) as error:
        LOG.warning("blocks of %s are decoded one by one, which is slower: %s", codec, error)
        return None


def unpacks(level: Level) -> bool:
    """Whether blocks of such a level can be decoded by `unpack`."""
    size = np.dtype(level.dtype).itemsize
    is_native = size == 1 or level.predictor == 3 or level.big_endian == (sys.byteorder == "big")
    return is_native and size in UNSIGNED and _library(level.codec) is not None


def unpack(level: Level, data: memoryview, parts: Sequence[Part], out: Pixels, bands: Sequence[int]) -> int:
    """Put parts of blocks into `out`, (bands, height, width) of the level's type, any strides; how many, in turn.

    `data` holds the stored bytes of all; `bands` are samples of a block, counted from 0, that go to as many bands of
    `out`, from each part's first on. Fewer than all are done when one does not decode: nothing is told of why.

    Raises ValueError for a level that it does not unpack, and for parts that are not within `data` and `out`.
    """
    library = _library(level.codec)
    if library is None or not unpacks(level):
        raise ValueError(f"{level.codec} is not decoded here")
    if not bands or out.dtype != np.dtype(level.dtype):
        raise ValueError(f"out is {out.dtype} of {len(bands)} bands, expected {level.dtype}")
    if not parts:
        return 0
    places = np.array(parts, np.int64)
    context = _contexts.made.get(level.codec)
    if context is None:
        context = _contexts.made[level.codec] = library.context()
    buffer = scratch.take(level.rows_of(0) * level.row_bytes)
    layout = level.predictor, level.block_width, level.samples, np.array(bands, np.int64)
    codec = library.number, library.decode, context.address
    kernel = compiled("unpack", out.itemsize)
    done = int(kernel(*codec, np.frombuffer(data, np.uint8), places, buffer, *layout, out.view(UNSIGNED[out.itemsize])))
    if done < 0:
        raise ValueError(f"a part of a block is not within {len(data):,} bytes or {out.shape}")
    return done
