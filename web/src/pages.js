// What moves on the HTML pages: a map, and below the map of a collection the series of a point.
// A page holds #map with data-shows: collection, items, item or entity; its JSON is at the link rel="alternate".
//   collection -> dock.draw -> last valid date -> map.setImage;  click on the map -> dock.draw;  on the chart -> map.setImage
import './pages.css';
import * as api from './api.js';
import { makeDock } from './dock.js';
import { $, day, position } from './dom.js';
import { makeMap } from './map.js';
import { boxOf, centreOf, pixelsOf } from './panel.js';
import { rounded } from './state.js';

const OPACITY = 100;

const target = $('map');
if (target) start().catch(({ message }) => say(message));

async function start() {
  const shown = await api.getJson(document.querySelector('link[rel=alternate]').href);
  const show = { collection: showCollection, items: showItems, item: showItem, entity: showEntity }[target.dataset.shows];
  await show(shown);
  document.body.dataset.ready = 'true';
}

function open(picked = () => {}) {
  return makeMap(target, {
    picked,
    moved: () => {},
    pointed: (lonlat) => ($('pointer').textContent = lonlat ? position(lonlat) : ''),
    busy: (loading) => document.body.classList.toggle('loading', loading),
    tileFailed,
  }, { embedded: true });
}

async function showCollection(collection) {
  const box = boxOf(collection);
  if (!box) return;
  let point = rounded(centreOf(box));
  let field = null;
  const map = open((lonlat) => {
    point = rounded(lonlat);
    map.setPoint(point);
    dock.draw(collection, point, field);
  });
  const showDate = (time) => {
    const datetime = new Date(time).toISOString().replace('.000Z', 'Z');
    map.setImage(api.tileTemplate(collection.id, datetime), []);
    dock.mark(time);
    $('shown-date').textContent = day(time);
  };
  const dock = makeDock({
    picked: showDate,
    fieldChosen: (id) => dock.draw(collection, point, (field = id)),
    cleared: () => dock.draw(collection, null, field),
  });
  field = dock.setCollection(collection, null);
  map.setCollection(box, pixelsOf(collection), OPACITY);
  map.fit(box);
  map.setPoint(point);
  const series = await dock.draw(collection, point, field);
  const last = series?.values.findLastIndex((value) => value !== null) ?? -1;
  showDate(last >= 0 ? series.times[last] : Date.parse(collection.extent.temporal.interval[0][1]));
}

async function showItems({ features }) {
  const map = open();
  map.setImage('', features);
  map.fit(boxOfAll(features) ?? undefined);
}

async function showItem(item) {
  const box = boxOfAll([item]);
  if (!box) return;
  const map = open();
  map.setCollection(box, null, OPACITY);
  map.setImage(api.tileTemplate(target.dataset.collection, item.properties.datetime), [item]);
  map.fit(box);
}

/** Of the catalogue: the area of an AOI, the footprint of a dataset. */
async function showEntity({ geometry, footprint }) {
  await showItems({ features: [{ type: 'Feature', geometry: geometry ?? footprint, properties: {} }] });
}

/** [west, south, east, north] of the geometries; null when there is none. */
function boxOfAll(features) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  const add = (coordinates) => {
    if (typeof coordinates?.[0] !== 'number') return coordinates?.forEach(add);
    const [x, y] = coordinates;
    box.splice(0, 4, Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x), Math.max(box[3], y));
  };
  features.forEach(({ geometry }) => add(geometry?.coordinates));
  return Number.isFinite(box[0]) ? box : null;
}

async function tileFailed(address) {
  const problem = address && (await api.whyNot(address));
  if (problem) say(problem.message);
}

function say(note) {
  $('map-note').textContent = note;
  $('map-note').hidden = !note;
}
