// Pure: records in, the steps of the date slider out.

/**
 * Records of one satellite pass are minutes apart and make one image:
 * they are one step when they start within this time of its first record.
 */
const PASS = 30 * 60_000;

/**
 * Steps in order of time. Each has
 *   key: name in the page's address, the day, or the instant when the day has several
 *   time: milliseconds of its first record
 *   datetime: what the map is asked for, an instant or start/end
 *   items: its records
 */
export function stepsOf(items) {
  const steps = [];
  const dated = items.map((item) => ({ item, iso: instantOf(item) })).filter(({ iso }) => iso);
  dated.sort((a, b) => Date.parse(a.iso) - Date.parse(b.iso));
  for (const { item, iso } of dated) {
    const time = Date.parse(iso);
    const last = steps.at(-1);
    if (last && time - last.time <= PASS && dayOf(time) === dayOf(last.time)) {
      last.items.push(item);
      last.end = iso;
    } else {
      steps.push({ time, start: iso, end: iso, items: [item] });
    }
  }
  const days = new Map();
  for (const { time } of steps) days.set(dayOf(time), (days.get(dayOf(time)) ?? 0) + 1);
  for (const step of steps) {
    const day = dayOf(step.time);
    step.key = days.get(day) === 1 ? day : new Date(step.time).toISOString();
    step.datetime = step.start === step.end ? step.start : `${step.start}/${step.end}`;
  }
  return steps;
}

/** Index of the step nearest to a time in milliseconds; -1 when there are no steps. */
export function nearest(steps, time) {
  let best = -1;
  for (let i = 0; i < steps.length; i++)
    if (best < 0 || Math.abs(steps[i].time - time) < Math.abs(steps[best].time - time)) best = i;
  return best;
}

/** Index of the step a page address names: its key, else the nearest; the last if it names none. */
export function find(steps, key) {
  const exact = steps.findIndex((step) => step.key === key);
  if (exact >= 0) return exact;
  const time = Date.parse(key);
  return Number.isNaN(time) ? steps.length - 1 : nearest(steps, time);
}

export function dayOf(time) {
  return new Date(time).toISOString().slice(0, 10);
}

function instantOf({ properties }) {
  const iso = properties?.datetime ?? properties?.start_datetime;
  return Number.isNaN(Date.parse(iso)) ? null : iso;
}
