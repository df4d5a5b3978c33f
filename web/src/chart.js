// The chart of a series: points, gaps where a date is masked, the current date, and a read-out.
import uPlot from 'uplot';
import { month, day } from './dom.js';
import { COLORS, FONT } from './theme.js';

/** A pointer that moved more than this many pixels was selecting a period, not clicking a date. */
const CLICK = 4;

/** Handlers: picked(milliseconds) and hovered(index or null). */
export function makeChart(box, { picked, hovered }) {
  let plot = null;
  let now = null;

  const size = () => ({ width: box.clientWidth, height: box.clientHeight });
  new ResizeObserver(() => plot?.setSize(size())).observe(box);

  function clear() {
    plot?.destroy();
    plot = null;
  }

  return {
    clear,

    /** times in milliseconds and ascending; values with null where masked; unit for the axis. */
    draw({ times, values, unit, span }) {
      clear();
      plot = new uPlot(options(size(), unit, span, () => now), [times.map((t) => t / 1000), values], box);
      plot.hooks.setCursor = [({ cursor }) => hovered(cursor.left >= 0 ? cursor.idx : null)];
      let down = 0;
      plot.over.addEventListener('pointerdown', ({ clientX }) => (down = clientX));
      plot.over.addEventListener('click', ({ clientX }) => {
        const { idx } = plot.cursor;
        if (idx != null && Math.abs(clientX - down) <= CLICK) picked(times[idx]);
      });
      plot.over.addEventListener('mouseleave', () => hovered(null));
    },

    /** Marks the current date, in milliseconds. */
    mark(time) {
      now = time;
      plot?.redraw(false);
    },
  };
}

function options(size, unit, span, now) {
  const axis = {
    stroke: COLORS.quiet,
    font: `11px ${FONT}`,
    grid: { stroke: COLORS.axis, width: 1 },
    ticks: { stroke: COLORS.axis, width: 1, size: 4 },
  };
  return {
    ...size,
    padding: [10, 14, 0, 0],
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
    cursor: { y: false, points: { size: 9 }, drag: { x: true, y: false, dist: CLICK } },
    scales: { x: { time: true, range: period }, y: { range: (_, min, max) => range(min, max, span) } },
    axes: [
      { ...axis, size: 28, space: 80, values: (_, splits, __, ___, gap) => labels(splits, gap) },
      { ...axis, size: 52, space: 28, label: unit || undefined, labelSize: unit ? 18 : 0, labelFont: `11px ${FONT}` },
    ],
    series: [
      {},
      {
        stroke: COLORS.series,
        width: 1.5,
        spanGaps: false,
        points: { show: true, size: 6, width: 0, fill: COLORS.series },
      },
    ],
    hooks: { drawAxes: [drawMasked], draw: [(u) => drawNow(u, now())] },
  };
}

/** Seconds with some air, so that the first and last dates are whole; a date alone has a month. */
function period({ data: [times] }, from, to) {
  if (times.length === 1) to = from = times[0];
  const air = (to - from) * 0.012 || 15 * 86400;
  return [from - air, to + air];
}

/** [low, high] with some air, never narrower than a fiftieth of what the field can take. */
function range(min, max, span) {
  if (min == null || max == null) return span ?? [0, 1];
  const least = span ? (span[1] - span[0]) / 50 : Math.abs(max) / 50 || 1;
  const air = Math.max((max - min) * 0.08, (least - (max - min)) / 2);
  return [min - air, max + air];
}

/** Years alone for wide gaps, else months, else days; the splits are in seconds. */
function labels(splits, gap) {
  const DAY = 86400;
  return splits.map((s) => {
    if (gap >= 360 * DAY) return String(new Date(s * 1000).getUTCFullYear());
    return gap >= 28 * DAY ? month(s * 1000) : day(s * 1000);
  });
}

/** Short ticks at the foot of the chart where a date has no valid value. */
function drawMasked(u) {
  const { ctx, bbox, data } = u;
  ctx.save();
  ctx.fillStyle = COLORS.quiet;
  ctx.globalAlpha = 0.6;
  const [width, height] = [Math.max(1, devicePixelRatio), 6 * devicePixelRatio];
  data[1].forEach((value, i) => {
    if (value != null) return;
    const x = u.valToPos(data[0][i], 'x', true);
    if (x >= bbox.left && x <= bbox.left + bbox.width)
      ctx.fillRect(x - width / 2, bbox.top + bbox.height - height, width, height);
  });
  ctx.restore();
}

function drawNow(u, time) {
  if (time == null) return;
  const { ctx, bbox } = u;
  const x = u.valToPos(time / 1000, 'x', true);
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.save();
  ctx.strokeStyle = COLORS.now;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}
