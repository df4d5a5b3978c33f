"""Writes the file of a slab: what one task does.

    records to be read ─ pixel engine ─ slices, in strips where a cell is large ─ a draft a date ─┐
    dates to be copied ─ pages of the files that have them ───────────────────────────────────────┴─ assemble ─ rename

Memory is what a few slices take, whatever the number of dates and the size of the cell. A file that could not be
finished leaves nothing under its name; one that is written again replaces the same.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from prismcube.catalogue import Catalogue
from prismcube.consolidation.copies import CopiedFiles
from prismcube.consolidation.gdal import writing_by_gdal
from prismcube.consolidation.parts import Parts
from prismcube.consolidation.planning import Target, same_mapping
from prismcube.consolidation.settings import OwnWriter, class_name, own_writer
from prismcube.consolidation.slab import Page, Slab
from prismcube.consolidation.unread import problem_of
from prismcube.consolidation.valid import ValidMap
from prismcube.consolidation.written import Written
from prismcube.cube.engine import execute
from prismcube.cube.observer import NOBODY, Observer
from prismcube.cube.plan import CubePlan
from prismcube.cube.planner import Headers, make_plan
from prismcube.cube.request import CubeRequest
from prismcube.cube.states import FileStates
from prismcube.errors import InvalidInput
from prismcube.model.collection import Collection as CubeCollection
from prismcube.model.collection import StoredField
from prismcube.model.cube import Slice
from prismcube.model.entities import Dataset, Record
from prismcube.model.formats import DataFormat, ValueMapping, cast
from prismcube.model.grid import Grid
from prismcube.model.grouping import Group
from prismcube.model.layout import Layout
from prismcube.raster import alpha as alpha_item
from prismcube.raster.geokeys import can_name, georeference
from prismcube.storage.store import upload
from prismcube.storage.uri import gdal_path, is_remote
from prismcube.tiff.assemble import assemble
from prismcube.tiff.draft import writing_draft
from prismcube.tiff.image import Image
from prismcube.tiff.pages import Page as TiffPage
from prismcube.tiff.pages import open_pages
from prismcube.tiff.publish import writing_to

STRIP_ROWS = 256
"""Rows of a strip are a multiple of it, where there is memory for so many."""

OTHER_FILES = 128
"""Of a process that executes a task, beside those that a file is made of."""


class Draft(Protocol):
    """Takes the rows of the bands of a date."""

    def write(self, rows: npt.NDArray[Any], *, band: int = 1) -> None: ...


@dataclass(frozen=True, kw_only=True)
class SlabWriter:
    """Writes slabs of one target."""

    catalogue: Catalogue
    layout: Layout
    target: Target
    collapse: Record | None = None
    memory: int = 2**30
    """Bytes for pixels."""
    threads: int = 2
    """That compress."""
    progress: Callable[[float, str], None] = lambda share, message: None
    """Called between strips and files, from several threads; raises Cancelled when nobody wants the file any more."""
    observer: Observer = NOBODY
    """Is told of the sources that are read."""

    def write(self, slab: Slab, scratch: Path) -> tuple[Written, ...]:
        """Write the file of a slab; none at all when no date has a valid pixel. Drafts are put into `scratch`.

        Raises SourceError for a source that can't be read, naming it, and for a file that can't be written;
        StorageFull; InvalidInput for a cell that needs more memory than there is, for more dates than files may be
        open, or a CRS that has no place in a file; and what `progress` raises.
        """
        if not can_name(slab.cell.crs):
            raise InvalidInput("layout", f"{slab.cell.crs[:60]} can't be written into a GeoTIFF")
        datasets = {one.id or 0: one for one in self.catalogue.datasets.get_many(slab.datasets)}
        headers = self.catalogue.headers.of(datasets.values())
        ids = {one.record_id for one in datasets.values()}
        records = {one.id or 0: one for one in self.catalogue.records.get_many(ids)}
        _check_files({datasets[page.datasets[0]].uri if page.is_copy else page for page in slab.pages})
        job = _Job(self, slab, datasets, headers, records, scratch)
        with ThreadPoolExecutor(self.threads, thread_name_prefix="compress") as pool:
            return job.run(pool)


class _Job:
    """One slab while it is written."""

    def __init__(
        self,
        writer: SlabWriter,
        slab: Slab,
        datasets: Mapping[int, Dataset],
        headers: Headers,
        records: Mapping[int, Record],
        scratch: Path,
    ) -> None:
        self.writer = writer
        self.slab = slab
        self.datasets = datasets
        self.headers = headers
        self.records = records
        self.scratch = scratch
        self.params = writer.target.params
        self.own: OwnWriter | None = own_writer(self.params)
        self._done = 0.0
        self._states = FileStates()

    def run(self, pool: ThreadPoolExecutor) -> tuple[Written, ...]:
        new = [page for page in self.slab.pages if not page.is_copy]
        drafts = dict(self._drafts(new, pool))
        pages: list[tuple[Page, str]] = []
        with ExitStack() as stack:
            found: list[TiffPage] = []
            copies = CopiedFiles(self.scratch, stack)
            for page in self.slab.pages:
                if page.is_copy:
                    found.append(copies.page(self.datasets[page.datasets[0]]))
                    pages.append((page, ""))
                elif page in drafts:
                    path, valid = drafts[page]
                    found.append(stack.enter_context(open_pages(path))[0])
                    pages.append((page, valid))
            if not found:
                return ()
            self._publish(found)
        single, parts = len(pages) == 1, Parts(self.slab.cell.grid)
        return tuple(
            Written(
                record=page.record,
                subdir="" if single else f"GTIFF_DIR:{number}",
                valid=valid,
                copied=page.datasets[0] if page.is_copy else 0,
                part=None if page.is_copy else parts.of(self.datasets[id] for id in page.datasets),
            )
            for number, (page, valid) in enumerate(pages, start=1)
        )

    def _publish(self, pages: Sequence[TiffPage]) -> None:
        uri, pattern = self.slab.uri, self.writer.layout.interlacing_pattern
        if is_remote(uri):
            path = self.scratch / "file.tif"
            assemble(path, pages, pattern=pattern, sync=False)
            upload(path, uri, storage_class=class_name(uri, self.params.storage_class))
            return
        path = Path(gdal_path(uri))
        with writing_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        assemble(path, pages, pattern=pattern)

    def _drafts(self, pages: Sequence[Page], pool: ThreadPoolExecutor) -> Iterator[tuple[Page, tuple[Path, str]]]:
        """A draft of each date that has a valid pixel, and where it has them."""
        kinds: dict[bool, list[Page]] = {True: [], False: []}
        for page in pages:
            kinds[self._as_stored(page)].append(page)
        for as_stored, some in kinds.items():
            if not some:
                continue
            whole = self._plan(some, self.slab.cell.grid, as_stored=as_stored)
            if _memory(whole) <= self.writer.memory:
                yield from self._whole(some, whole, pool, as_stored=as_stored)
            else:
                for page in some:
                    yield from self._in_strips(page, pool, as_stored=as_stored)

    def _as_stored(self, page: Page) -> bool:
        """True when its sources' numbers are those to be written: they need not be made external and back."""
        target, sources = self.writer.target, [self.datasets[id] for id in page.datasets]
        return all(
            same_mapping(one.mapping, target.mapping) and one.format.stores_like(target.stored) for one in sources
        ) and (target.mapping.exponent == 1)

    def _whole(
        self, pages: Sequence[Page], plan: CubePlan, pool: ThreadPoolExecutor, *, as_stored: bool
    ) -> Iterator[tuple[Page, tuple[Path, str]]]:
        """Dates whose planes fit into memory: read while others are compressed."""
        by_record = {page.record: page for page in pages}  # all records of a page of record 0 are one slice
        for one in execute(plan, stop=self._look, observer=self.writer.observer, states=self._states):
            page = by_record.get(plan.slices[one.index].layers[0].record_id) or by_record[0]
            self._check(plan, one)
            valid = ValidMap.empty(self.slab.cell.grid)
            valid.add(np.logical_or.reduce(one.valid), row=0)
            if not valid.is_empty:
                path = self._path(page)
                with self._drafting(path, page, pool) as draft:
                    self._write(draft, one, as_stored=as_stored)
                yield page, (path, valid.to_text())
            self._tell()

    def _in_strips(
        self, page: Page, pool: ThreadPoolExecutor, *, as_stored: bool
    ) -> Iterator[tuple[Page, tuple[Path, str]]]:
        """A date of a large cell, some rows at a time."""
        grid = self.slab.cell.grid
        valid, path = ValidMap.empty(grid), self._path(page)
        row, rows = 0, grid.height
        with self._drafting(path, page, pool) as draft:
            while row < grid.height:
                plan = self._strip(page, row, min(rows, grid.height - row), as_stored=as_stored)
                rows = plan.grid.height
                for one in execute(plan, stop=self._look, observer=self.writer.observer, states=self._states):
                    self._check(plan, one)
                    valid.add(np.logical_or.reduce(one.valid), row=row)
                    self._write(draft, one, as_stored=as_stored)
                if not plan.slices:
                    self._write_nothing(draft, plan.grid)
                row += rows
                self._tell(rows / grid.height)
        if not valid.is_empty:
            yield page, (path, valid.to_text())

    def _strip(self, page: Page, row: int, rows: int, *, as_stored: bool) -> CubePlan:
        """The plan of at most so many rows of a cell from `row` on: of those that there is memory for."""
        grid, memory = self.slab.cell.grid, self.writer.memory
        least = min(rows, self.writer.layout.block_height)
        while True:
            strip = grid.shifted(row, 0, height=rows, width=grid.width)
            plan = self._plan([page], strip, as_stored=as_stored)
            # Of every pixel at least what is written: there may be no source in these rows.
            written = 2 * strip.pixels * len(self.writer.target.variable.bands) * self.params.format.itemsize
            needed = max(_memory(plan), written)
            if needed <= memory:
                return plan
            if rows <= least:
                reason = f"a cell of {grid.width:,} x {grid.height:,} pixels needs {needed / 1e6:,.0f} MB for a row of "
                advice = f"blocks, {memory / 1e6:,.0f} MB are allowed; take a layout of smaller cells"
                raise InvalidInput("layout", reason + advice)
            rows = max(least, rows // 2)
            rows = rows if rows <= STRIP_ROWS else rows - rows % STRIP_ROWS

    def _group(self, page: Page) -> Group:
        ids = dict.fromkeys(self.datasets[id].record_id for id in page.datasets)
        return Group(tuple(self.records[id] for id in ids))

    def _plan(self, pages: Sequence[Page], grid: Grid, *, as_stored: bool) -> CubePlan:
        variable, instance = self.writer.target.variable, self.writer.target.instance.id or 0
        format = self.writer.target.stored if as_stored else variable.format
        how = self.params.resampling
        fields = tuple(
            StoredField(name=f"b{band}", instance_id=instance, band=band, format=format, resampling=how)
            for band in range(len(variable.bands))
        )
        sources = [self.datasets[id] for page in pages for id in page.datasets]
        if as_stored:
            sources = [replace(one, mapping=ValueMapping()) for one in sources]
        request = CubeRequest(
            collection=CubeCollection(name="consolidation", fields=fields),
            fields=tuple(one.name for one in fields),
            grid=grid,
            groups=tuple(self._group(page) for page in pages),
            resampling=how,
        )
        return make_plan(request, sources, headers=self.headers)

    def _check(self, plan: CubePlan, one: Slice) -> None:
        """A date of which a file could not be read is not written: it would be there, and silently have a hole."""
        problem = problem_of(plan, one, "could not be consolidated")
        if problem is not None:
            raise problem

    def _write(self, draft: Draft, one: Slice, *, as_stored: bool) -> None:
        to, mapping = self.writer.target.stored, self.writer.target.mapping
        for band, (data, valid) in enumerate(zip(one.data, one.valid, strict=True), start=1):
            rows = data
            if not as_stored and not (mapping.is_identity and self.writer.target.variable.format.stores_like(to)):
                rows = cast(data if mapping.is_identity else mapping.internal(data), valid, to)
            draft.write(np.asarray(rows, dtype=to.dtype), band=band)
        if self.slab.alpha:
            draft.write(_alpha(np.logical_and.reduce(one.valid), to), band=len(one.data) + 1)

    def _write_nothing(self, draft: Draft, strip: Grid) -> None:
        bands = len(self.writer.target.variable.bands)
        nothing = np.zeros(strip.shape, dtype=bool)
        to = self.writer.target.stored
        empty = cast(np.zeros(strip.shape, dtype=to.dtype), nothing, to)
        for band in range(1, bands + 1):
            draft.write(empty, band=band)
        if self.slab.alpha:
            draft.write(_alpha(nothing, to), band=bands + 1)

    def _path(self, page: Page) -> Path:
        return self.scratch / f"{self.slab.pages.index(page):06}.tif"

    def _drafting(self, path: Path, page: Page, pool: ThreadPoolExecutor) -> AbstractContextManager[Draft]:
        image = self._image(page)
        if self.own is None:
            grid = self.slab.cell.grid
            return writing_by_gdal(path, image, self.params, grid=grid, alpha=self.slab.alpha)
        return _own_draft(path, image, pool)

    def _image(self, page: Page) -> Image:
        grid, layout, variable = self.slab.cell.grid, self.writer.layout, self.writer.target.variable
        record = self.writer.collapse if page.record == 0 and self.writer.collapse else self.records[page.record]
        mapping, own, alpha = self.writer.target.mapping, self.own, self.slab.alpha
        linear = mapping.exponent == 1 and not mapping.is_identity
        scale = (mapping.emax - mapping.emin) / (mapping.imax - mapping.imin) if linear else 1.0
        reduction = own.reduction if own else "average"
        return Image(
            height=grid.height,
            width=grid.width,
            format=self.writer.target.stored,
            bands=len(variable.bands) + alpha,
            block_height=layout.block_height,
            block_width=layout.block_width,
            codec=own.codec if own else "none",
            level=own.level if own else 1,
            predictor=own.predictor if own and own.codec != "none" else None,
            overviews=len(layout.overview_factors(grid)),
            reduction=reduction,
            reductions=(reduction,) * len(variable.bands) + ("nearest",) if alpha else (),
            georeference=georeference(grid.crs, grid.transform),
            name=record.name,
            time=record.time,
            metadata={alpha_item.NAME: alpha_item.VALUE} if alpha else {},
            alpha=alpha,
            descriptions=(*variable.bands, "validity") if alpha else variable.bands,
            scale=scale,
            offset=mapping.emin - mapping.imin * scale if linear else 0.0,
        )

    def _look(self) -> None:
        """Whether the file is still wanted."""
        self._tell(0.0)

    def _tell(self, share: float = 1.0) -> None:
        self._done += share
        count = sum(not page.is_copy for page in self.slab.pages)
        self.writer.progress(min(self._done / max(count, 1), 1.0), f"{int(self._done)} of {count} dates")


@contextmanager
def _own_draft(path: Path, image: Image, pool: ThreadPoolExecutor) -> Iterator[Draft]:
    with writing_draft(path, image, pool=pool) as draft:
        yield draft


def _alpha(valid: npt.NDArray[np.bool_], format: DataFormat) -> npt.NDArray[Any]:
    """The greatest number of the type where pixels are valid, 0 elsewhere; 255 of floats."""
    most = 255 if format.is_floating else np.iinfo(format.dtype).max
    return np.where(valid, most, 0).astype(format.dtype)


def _check_files(wanted: Collection[object]) -> None:
    """Raises InvalidInput when a file is made of more files than may be open at once."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and len(wanted) > most - OTHER_FILES:
        reason = f"a file of so many dates needs {len(wanted):,} files open at once, and the system allows {most:,}"
        raise InvalidInput("layout", f"{reason}; take a layout of fewer records a file")


def _memory(plan: CubePlan) -> int:
    """Bytes that executing a plan takes, with the slice at hand."""
    return plan.working_bytes + plan.slice_bytes
