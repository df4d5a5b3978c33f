// The bar of dates: slider, previous, next, play. It knows the steps and the index, not the map.
import { $, clock, day, el, plural } from './dom.js';

/** Milliseconds a date stays on while playing, and at most when its tiles are slow. */
const STAY = 700;
const LONGEST = 5000;

/** Handlers: shown(step) when the date changes, isBusy() while its image is loading. */
export function makeTimebar({ shown, isBusy }) {
  let steps = [];
  let index = -1;
  let timer = null;

  const slider = $('date-slider');
  new ResizeObserver(() => drawYears(steps)).observe($('years'));
  slider.addEventListener('input', () => go(Number(slider.value)));
  $('prev').addEventListener('click', () => go(index - 1));
  $('next').addEventListener('click', () => go(index + 1));
  $('play').addEventListener('click', () => (timer ? stop() : play()));
  document.addEventListener('keydown', (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const modified = event.shiftKey || event.ctrlKey || event.altKey || event.metaKey;
    if (!move || modified || event.target.closest('input, select, textarea')) return;
    event.preventDefault();
    go(index + move);
  });

  function show(to) {
    index = to;
    const step = steps[index];
    slider.value = index;
    $('date-day').textContent = step ? day(step.time) : 'No date';
    $('date-note').textContent = step
      ? [hour(step.time), `${index + 1} of ${steps.length}`, plural(step.items.length, 'record')].filter(Boolean).join(' · ')
      : '';
    slider.setAttribute('aria-valuetext', step ? [day(step.time), hour(step.time)].filter(Boolean).join(', ') : 'No date');
    $('prev').disabled = index <= 0;
    $('next').disabled = index >= steps.length - 1;
    if (step) shown(step);
  }

  function go(to) {
    stop();
    if (to >= 0 && to < steps.length && to !== index) show(to);
  }

  function play() {
    if (index >= steps.length - 1) show(0);
    setPlaying(true);
    let since = Date.now();
    const tick = () => {
      const due = Date.now() - since >= (isBusy() ? LONGEST : STAY);
      if (due) {
        show(index + 1);
        since = Date.now();
      }
      if (index >= steps.length - 1) return stop();
      timer = setTimeout(tick, due ? STAY : 50);
    };
    timer = setTimeout(tick, STAY);
  }

  function stop() {
    clearTimeout(timer);
    timer = null;
    setPlaying(false);
  }

  function setPlaying(on) {
    $('play').setAttribute('aria-pressed', String(on));
    $('play').title = on ? 'Pause' : 'Play';
  }

  return {
    go,
    stop,
    step: () => steps[index],

    /** Other steps, and the one to show; -1 shows none. */
    set(newSteps, at) {
      stop();
      steps = newSteps;
      slider.max = Math.max(0, steps.length - 1);
      slider.disabled = steps.length < 2;
      $('play').disabled = steps.length < 2;
      drawYears(steps);
      show(at);
    },
  };
}

/** The hour; nothing at midnight, which is what a date without an hour becomes. */
const hour = (time) => (time % 86_400_000 ? clock(time) : '');

/** The year under its first date; where there is no room for all, the years with most dates have theirs. */
function drawYears(steps) {
  const room = 42 / $('years').clientWidth;
  const years = new Map();
  steps.forEach(({ time }, i) => {
    const year = new Date(time).getUTCFullYear();
    const at = steps.length > 1 ? i / (steps.length - 1) : 0;
    if (!years.has(year)) years.set(year, { year, at, dates: 0 });
    years.get(year).dates += 1;
  });
  const shown = [];
  for (const one of [...years.values()].sort((a, b) => b.dates - a.dates))
    if (shown.every(({ at }) => Math.abs(at - one.at) >= room)) shown.push(one);
  $('years').replaceChildren(...shown.map(({ year, at }) => {
    const label = el('span', { textContent: String(year) });
    label.style.setProperty('--at', String(at));
    return label;
  }));
}
