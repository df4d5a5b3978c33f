"""A job's graph as SVG: a row of stages, those that work above those that rest or take back; tasks below their stage.

    rank of a stage = the longest way of `done` moves to it; stages off that way stand below the one they come from
    rank of a task  = the longest way of dependencies to it, within its stage

Colours are attributes, not styles: pages that show the picture need allow nothing for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from prismcube.jobs.graph import StageGraph
from prismcube.model.machine import Event, Status
from prismcube.model.task_states import TaskState

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 168, 56, 44, 40, 16
DOT, DOT_GAP = 14, 8
"""Side of a task's square, and the space between two, in pixels."""
MOST_IN_COLUMN = 10

TASK_COLOURS: Mapping[TaskState, str] = {
    TaskState.WAITING: "#c6cfd8",
    TaskState.READY: "#8fb4d9",
    TaskState.DELAYED: "#e0c15a",
    TaskState.RUNNING: "#2b7bd0",
    TaskState.DONE: "#2f9e6f",
    TaskState.FAILED: "#c9382a",
    TaskState.PARKED: "#7d1d3f",
    TaskState.CANCELLED: "#7a8794",
}
STATUS_COLOURS: Mapping[Status, str] = {
    Status.ACCEPTED: "#8fb4d9",
    Status.RUNNING: "#2b7bd0",
    Status.SUCCESSFUL: "#2f9e6f",
    Status.FAILED: "#c9382a",
    Status.DISMISSED: "#7a8794",
}
EVENT_DASHES: Mapping[Event, str] = {Event.DONE: "", Event.FAILED: "5 4", Event.RETRY: "2 3", Event.CANCEL: "1 4"}


@dataclass(frozen=True)
class Box:
    """Where a stage stands, in pixels."""

    x: int
    y: int

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + WIDTH / 2, self.y + HEIGHT / 2


def draw(stages: Sequence[StageGraph], *, title: str) -> str:
    """The picture."""
    places = layout(stages)
    bottom = max(box.y for box in places.values()) + HEIGHT
    dots = [(one, _dots(one)) for one in stages if len(one.tasks) > 1]
    top = bottom + GAP_Y
    columns: list[str] = []
    right = max(box.x for box in places.values()) + WIDTH
    lowest = bottom
    x = MARGIN
    for one, cells in dots:
        columns.append(_tasks(one, cells, x, top))
        wide = (max(column for column, _ in cells.values()) + 1) * (DOT + DOT_GAP)
        lowest = max(lowest, top + 20 + (max(row for _, row in cells.values()) + 1) * (DOT + DOT_GAP))
        x += max(wide, WIDTH) + GAP_X
        right = max(right, x - GAP_X)
    legend = _legend(stages, lowest + GAP_Y)
    width, height = right + MARGIN, lowest + GAP_Y + MARGIN
    arrows = [_arrow(places[one.stage.name], places[target], event) for one in stages for event, target in _moves(one)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="12" role="img"><title>{escape(title)}</title>'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#8593a0"/></marker></defs>'
        f"{''.join(arrows)}{''.join(_box(one, places[one.stage.name]) for one in stages)}{''.join(columns)}"
        f"{legend}</svg>"
    )


def layout(stages: Sequence[StageGraph]) -> dict[str, Box]:
    """Boxes by the names of stages; no two at the same place."""
    moves = {one.stage.name: one.stage.moves for one in stages}
    main = [stages[0].stage.name]
    while (then := moves[main[-1]].get(Event.DONE)) is not None and then not in main:
        main.append(then)
    cells = {name: (column, 0) for column, name in enumerate(main)}
    taken = set(cells.values())
    for one in stages:  # the table lists a stage after those that lead to it, so most have a place already
        if one.stage.name in cells:
            continue
        sources = [
            cells[name] for name, targets in moves.items() if name in cells and one.stage.name in targets.values()
        ]
        column, row = max(sources, default=(0, 0))
        is_next = row > 0
        cell = (column + 1, row) if is_next else (column, 1)
        while cell in taken:
            cell = (cell[0], cell[1] + 1)
        cells[one.stage.name] = cell
        taken.add(cell)
    return {
        name: Box(MARGIN + column * (WIDTH + GAP_X), MARGIN + row * (HEIGHT + GAP_Y))
        for name, (column, row) in cells.items()
    }


def _moves(one: StageGraph) -> list[tuple[Event, str]]:
    """One arrow to each target: the first event that leads there."""
    found: dict[str, Event] = {}
    for event, target in one.stage.moves.items():
        found.setdefault(target, event)
    return [(event, target) for target, event in found.items()]


def _box(one: StageGraph, box: Box) -> str:
    colour = STATUS_COLOURS[one.stage.status]
    fill = colour if one.is_here else "#ffffff"
    ink = "#ffffff" if one.is_here else "#1b2630"
    total, done = sum(one.counts.values()), one.counts.get(TaskState.DONE, 0)
    told = f"{done:,} of {total:,} done" if total else ("tasks" if one.stage.task else one.stage.status.value)
    share = round((WIDTH - 4) * done / total) if total else 0
    bar = f'<rect x="{box.x + 2}" y="{box.y + HEIGHT - 7}" width="{share}" height="5" rx="2" fill="#2f9e6f"/>'
    return (
        f'<g><title>{escape(one.stage.meaning)}</title><rect x="{box.x}" y="{box.y}" width="{WIDTH}" height="{HEIGHT}" '
        f'rx="6" fill="{fill}" stroke="{colour}" stroke-width="{3 if one.is_here else 1.5}"/>'
        f'<text x="{box.x + 10}" y="{box.y + 22}" fill="{ink}" font-weight="600">{escape(one.stage.name)}</text>'
        f'<text x="{box.x + 10}" y="{box.y + 40}" fill="{ink}">{told}</text>{bar if share else ""}</g>'
    )


def _arrow(start: Box, end: Box, event: Event) -> str:
    (x1, y1), (x2, y2) = start.middle, end.middle
    if start.y == end.y and abs(x2 - x1) <= WIDTH + GAP_X:  # neighbours
        side = 1 if x2 > x1 else -1
        points = f"M{x1 + side * WIDTH / 2:g} {y1:g}L{x2 - side * WIDTH / 2:g} {y2:g}"
    elif start.x == end.x:
        side = 1 if y2 > y1 else -1
        shift = 12 if side > 0 else -12  # there and back beside each other
        points = f"M{x1 + shift:g} {y1 + side * HEIGHT / 2:g}L{x2 + shift:g} {y2 - side * HEIGHT / 2:g}"
    else:
        side = 1 if y2 >= y1 else -1
        begin, stop = y1 + side * HEIGHT / 2, y2 - side * HEIGHT / 2
        bend = (begin + stop) / 2
        points = f"M{x1:g} {begin:g}C{x1:g} {bend:g} {x2:g} {bend:g} {x2:g} {stop:g}"
    dashes = f' stroke-dasharray="{EVENT_DASHES[event]}"' if EVENT_DASHES[event] else ""
    return (
        f'<path d="{points}" fill="none" stroke="#8593a0" stroke-width="1.3"{dashes} marker-end="url(#tip)">'
        f"<title>{event.value}</title></path>"
    )


def _legend(stages: Sequence[StageGraph], y: int) -> str:
    """What the arrows mean."""
    events = {event for one in stages for event, _ in _moves(one)}
    parts = []
    for number, event in enumerate(one for one in EVENT_DASHES if one in events):
        x = MARGIN + number * (WIDTH + GAP_X) // 2
        dashes = f' stroke-dasharray="{EVENT_DASHES[event]}"' if EVENT_DASHES[event] else ""
        parts.append(
            f'<path d="M{x} {y - 4}L{x + 32} {y - 4}" stroke="#8593a0" stroke-width="1.3"{dashes} '
            f'marker-end="url(#tip)"/><text x="{x + 40}" y="{y}" fill="#5b6a78">{event.value}</text>'
        )
    return "".join(parts)


def _dots(one: StageGraph) -> dict[int, tuple[int, int]]:
    """(column, row) of each task: columns by what they wait for."""
    ranks = dict.fromkeys((task.id for task in one.tasks), 0)
    for first, then in one.edges:  # those that come first have the lower ids, so one pass is enough
        if first in ranks and then in ranks:
            ranks[then] = max(ranks[then], ranks[first] + 1)
    cells: dict[int, tuple[int, int]] = {}
    column = 0
    for rank in sorted(set(ranks.values())):
        ids = [id for id, found in ranks.items() if found == rank]
        for number, id in enumerate(ids):
            cells[id] = column + number // MOST_IN_COLUMN, number % MOST_IN_COLUMN
        column += -(-len(ids) // MOST_IN_COLUMN) + (1 if one.edges else 0)
    return cells


def _tasks(one: StageGraph, cells: Mapping[int, tuple[int, int]], left: int, top: int) -> str:
    def corner(id: int) -> tuple[int, int]:
        column, row = cells[id]
        return left + column * (DOT + DOT_GAP), top + 20 + row * (DOT + DOT_GAP)

    lines, squares = [], []
    for first, then in one.edges:
        if first in cells and then in cells:
            (x1, y1), (x2, y2) = corner(first), corner(then)
            ends = f'x1="{x1 + DOT}" y1="{y1 + DOT // 2}" x2="{x2}" y2="{y2 + DOT // 2}"'
            lines.append(f'<line {ends} stroke="#8593a0" stroke-width="1"/>')
    for task in one.tasks:
        x, y = corner(task.id)
        told = escape(f"{task.name}: {task.state.value}. {task.state.meaning}")
        squares.append(
            f'<rect x="{x}" y="{y}" width="{DOT}" height="{DOT}" rx="3" fill="{TASK_COLOURS[task.state]}">'
            f"<title>{told}</title></rect>"
        )
    head = f'<text x="{left}" y="{top + 8}" fill="#5b6a78">tasks of {escape(one.stage.name)}</text>'
    return head + "".join(lines + squares)
