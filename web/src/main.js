// Call sketch:
//   start -> choose(collection) -> dock.draw, openDates -> timebar.set(steps) -> showStep -> map.setImage
//   click on the map -> setPoint -> dock.draw;  click on the chart -> timebar.go
import './style.css';
import * as api from './api.js';
import { makeDock } from './dock.js';
import { $, position } from './dom.js';
import { makeMap } from './map.js';
import { busy, failed } from './messages.js';
import { boxOf, centreOf, firstOf, lengthOf, listCollections, listRecords, pixelsOf, setCount, showChosen, titleOf } from './panel.js';
import { readHash, rounded, writeHash } from './state.js';
import { find, nearest, stepsOf } from './steps.js';
import { makeTimebar } from './timebar.js';

/** Cards whose dates are counted without opening them: one request each. */
const COUNTED = 24;
/** Milliseconds the first picture waits for the series that tells which date is clear. */
const PATIENCE = 3000;
/** Milliseconds of stillness before tiles are asked while the slider moves. */
const STILL = 80;

let state = readHash();
let collections = [];
let chosen = null;
let opening = new AbortController();
let imageTimer = null;
let saveTimer = null;
let tileFailure = null;
const stepsById = new Map();

const map = makeMap($('map'), {
  picked: setPoint,
  moved: () => {
    if (!chosen) return; // the view of the address is not applied yet
    state.view = map.view();
    save();
  },
  pointed: (lonlat) => ($('pointer').textContent = lonlat ? position(lonlat) : ''),
  busy: (loading) => document.body.classList.toggle('loading', loading),
  tileFailed,
});
const timebar = makeTimebar({ shown: showStep, isBusy: map.isBusy });
const dock = makeDock({
  picked: (time) => timebar.go(nearest(stepsById.get(chosen.id), time)),
  fieldChosen: (id) => {
    state.field = id;
    save();
    dock.draw(chosen, state.point, id);
  },
  cleared: () => setPoint(null),
});

$('fit').addEventListener('click', () => map.fit(boxOf(chosen), 300));
$('opacity').addEventListener('input', () => {
  state.opacity = Number($('opacity').value);
  showLayers();
  save();
});
$('footprints').addEventListener('change', () => {
  state.footprints = $('footprints').checked;
  showLayers();
  save();
});
addEventListener('hashchange', () => {
  state = readHash();
  choose(state.collection, { keep: true });
});

start();

async function start() {
  map.fit();
  busy('Reading the collections…');
  try {
    collections = await api.collections();
    listCollections(collections, (id) => choose(id));
    document.body.classList.toggle('bare', collections.length === 0);
    busy(null);
    await choose(state.collection, { keep: true });
    document.body.dataset.ready = 'true';
    countDates();
  } catch (error) {
    busy(null);
    failed(error, 'The collections could not be read');
    document.body.classList.add('bare');
    document.body.dataset.ready = 'error';
  }
}

/**
 * Opens a collection; keep: at the date, view and point of the address. Where these name nothing, the first view shows
 * what the page can do: the series in the middle, and the last date that is valid there.
 */
async function choose(id, { keep = false } = {}) {
  opening.abort();
  opening = new AbortController();
  const { signal } = opening;
  chosen = collections.find((c) => c.id === id) ?? firstOf(collections);
  if (!chosen) return;
  if (!keep || chosen.id !== id) state = { ...state, date: null, view: null, point: null, field: null };
  const fresh = !state.date && !state.view && !state.point && lengthOf(chosen) > 0;
  state.collection = chosen.id;
  if (fresh) state.point = rounded(centreOf(boxOf(chosen)));
  failed(null);
  showChosen(chosen);
  state.field = dock.setCollection(chosen, state.field);
  timebar.set([], -1);
  listRecords([]);
  map.setCollection(boxOf(chosen), pixelsOf(chosen), state.opacity);
  map.setPoint(state.point);
  showLayers();
  if (state.view) map.setView(state.view);
  else map.fit(boxOf(chosen) ?? undefined);
  const drawn = dock.draw(chosen, state.point, state.field);
  save();
  if (boxOf(chosen)) await openDates(chosen, signal, fresh ? drawn : null);
  else busy(`${titleOf(chosen)} holds no record yet.`);
}

/** `drawn` is the promise of a series that says which date to show first, or null. */
async function openDates({ id }, signal, drawn) {
  try {
    const steps = stepsById.get(id) ?? stepsOf(await readItems(id, signal));
    if (signal.aborted) return;
    stepsById.set(id, steps);
    setCount(id, steps.length);
    busy(steps.length ? null : 'This collection holds no dated record yet.');
    const first = state.date ?? (await lastValid(drawn));
    if (signal.aborted) return;
    timebar.set(steps, find(steps, state.date ?? first));
    drawImage();
  } catch (error) {
    if (error.name === 'AbortError') return;
    busy(null);
    failed(error, 'The records could not be read');
  }
}

/** Day of the last valid value of a series, or null when there is none or it takes long; a void point is let go. */
async function lastValid(drawn) {
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE));
  const series = await Promise.race([drawn, late]);
  if (!series) return null;
  const at = series.values.findLastIndex((value) => value !== null);
  if (at < 0) setPoint(null);
  return at < 0 ? null : new Date(series.times[at]).toISOString();
}

function readItems(id, signal) {
  busy('Reading the records…');
  return api.allItems(id, { signal, told: (count) => busy(`Reading the records: ${count.toLocaleString('en')} so far…`) });
}

function showStep(step) {
  state.date = step.key;
  listRecords(step.items);
  dock.mark(step.time);
  clearTimeout(imageTimer);
  imageTimer = setTimeout(drawImage, STILL);
  save();
}

function drawImage() {
  clearTimeout(imageTimer);
  const step = timebar.step();
  if (!step) return;
  failed(null);
  tileFailure = null;
  map.setImage(api.tileTemplate(chosen.id, step.datetime), step.items);
}

function setPoint(lonlat) {
  if (!chosen) return;
  state.point = lonlat && rounded(lonlat);
  map.setPoint(state.point);
  dock.draw(chosen, state.point, state.field);
  save();
}

function showLayers() {
  $('footprints').checked = state.footprints;
  $('opacity').value = state.opacity;
  $('opacity-value').textContent = `${state.opacity} %`;
  map.setFootprints(state.footprints);
  map.setOpacity(state.opacity);
}

/** Says once a date why its tiles don't come. */
async function tileFailed(address) {
  const step = timebar.step();
  if (!address || !step || tileFailure === step) return;
  tileFailure = step;
  const problem = await api.whyNot(address);
  if (problem && timebar.step() === step) failed(problem, 'Part of the image could not be drawn');
}

/** A while after the last change: browsers refuse a page that rewrites its address too often. */
function save() {
  clearTimeout(saveTimer);
  saveTimer = setTimeout(() => writeHash(state), 250);
}

/** Counts the dates of the cards not opened yet, from the first page of their records. */
async function countDates() {
  for (const collection of collections.filter(boxOf).slice(0, COUNTED)) {
    const { id } = collection;
    if (stepsById.has(id)) continue;
    try {
      const { items, next } = await api.itemsPage(id);
      const steps = stepsOf(items);
      if (!next && !stepsById.has(id)) stepsById.set(id, steps);
      setCount(id, steps.length, Boolean(next));
    } catch {
      // A count is an extra: the error is told when the collection is opened.
    }
  }
}
