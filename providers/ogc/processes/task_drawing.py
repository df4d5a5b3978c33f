"""The states of tasks as SVG: the way of a task that goes well is the upper row, what else may come stands below it.

Lines have corners, and whatever leads from the upper row to the others, or back, has a place of its own at their sides:

    from above   down, then to the side of the lower one
    from below   from its side, then up
    back         over the row
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from xml.sax.saxutils import escape

from prismcube.model.task_states import TASK_STATES, TaskState, walk
from providers.ogc.processes.drawing import TASK_COLOURS

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN, TOP = 112, 52, 128, 32, 16, 48
"""Of a box, between two of them, around all, and above the row for what leads back, in pixels."""
BUS, SLOT = 16, 16
"""From the middle of a box to the lines that leave or reach it from below; between two lines at its side."""

PLACES: Mapping[TaskState, tuple[int, int]] = {
    TaskState.WAITING: (0, 0),
    TaskState.READY: (1, 0),
    TaskState.RUNNING: (3, 0),
    TaskState.DONE: (4, 0),
    TaskState.DELAYED: (2, 1),
    TaskState.FAILED: (2, 2),
    TaskState.PARKED: (2, 3),
    TaskState.CANCELLED: (2, 4),
}
"""(column, row) of each."""

Pair = tuple[TaskState, TaskState]


def draw_task_states(*, title: str) -> str:
    """The picture."""
    events: dict[Pair, list[str]] = {}
    for state, event, target in walk():
        events.setdefault((state, target), []).append(event.value)
    columns, rows = (max(numbers) + 1 for numbers in zip(*PLACES.values(), strict=True))
    width = 2 * MARGIN + columns * WIDTH + (columns - 1) * GAP_X
    height = TOP + rows * HEIGHT + (rows - 1) * GAP_Y + MARGIN
    arrows = "".join(_arrow(pair, ", ".join(names), events) for pair, names in events.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="12" role="img"><title>{escape(title)}</title>'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#8593a0"/></marker></defs>'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>{arrows}{"".join(map(_box, TASK_STATES))}</svg>'
    )


def _corner(state: TaskState) -> tuple[int, int]:
    column, row = PLACES[state]
    return MARGIN + column * (WIDTH + GAP_X), TOP + row * (HEIGHT + GAP_Y)


def _box(state: TaskState) -> str:
    x, y = _corner(state)
    return (
        f'<g><title>{escape(state.meaning)}</title><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
        f'fill="#ffffff" stroke="{TASK_COLOURS[state]}" stroke-width="3"/><text x="{x + WIDTH // 2}" '
        f'y="{y + HEIGHT // 2 + 4}" fill="#1b2630" font-weight="600" text-anchor="middle">{state.value}</text></g>'
    )


def _arrow(pair: Pair, label: str, all: Collection[Pair]) -> str:
    (x1, y1), (x2, y2) = (_corner(state) for state in pair)
    middle, anchor = (x1 + x2 + WIDTH) // 2, "middle"
    if y1 == y2 and x1 < x2:
        y = y1 + HEIGHT // 2
        points = [(x1 + WIDTH, y), (x2, y)]
    elif y1 == y2:
        y = y1 - HEIGHT // 2
        points = [(x1 + WIDTH // 2, y1), (x1 + WIDTH // 2, y), (x2 + WIDTH // 2, y), (x2 + WIDTH // 2, y2)]
    else:
        upper, lower = _upper_and_lower(pair)
        falls, at = upper is pair[0], _corner(upper)
        bus = at[0] + WIDTH // 2 + (BUS if falls else -BUS)
        left, y = _corner(lower)[0], _slot(pair, all)
        side, middle, anchor = (left, left - 12, "end") if bus < left else (left + WIDTH, left + WIDTH + 12, "start")
        points = [(bus, at[1] + HEIGHT), (bus, y), (side, y)][:: 1 if falls else -1]
    path = "L".join(f"{x} {y}" for x, y in points)
    return (
        f'<path d="M{path}" fill="none" stroke="#8593a0" stroke-width="1.3" marker-end="url(#tip)"/>'
        f'<text x="{middle}" y="{y - 4}" fill="#5b6a78" font-size="11" text-anchor="{anchor}">{escape(label)}</text>'
    )


def _upper_and_lower(pair: Pair) -> Pair:
    first, second = sorted(pair, key=lambda state: PLACES[state][1])
    return first, second


def _slot(pair: Pair, all: Collection[Pair]) -> int:
    """Where a line meets the side of the lower box; what comes from farther away is below, so that no lines cross."""

    def way(one: Pair) -> int:
        """Columns to the upper box: positive to the right."""
        upper, lower = _upper_and_lower(one)
        return PLACES[upper][0] - PLACES[lower][0]

    lower = _upper_and_lower(pair)[1]
    beside = [one for one in all if _upper_and_lower(one)[1] is lower and (way(one) > 0) == (way(pair) > 0)]
    beside.sort(key=lambda one: (abs(way(one)), one[0] is lower))
    return _corner(lower)[1] + HEIGHT // 2 + round((beside.index(pair) - (len(beside) - 1) / 2) * SLOT)
