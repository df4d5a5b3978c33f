// The side panel: collections to pick, what the chosen one is, the records of the date.
import { $, day, el, plural, text, words } from './dom.js';

/** Names shown for a date before "and n more". */
const MOST_RECORDS = 8;

/** One button a collection; picked(id) is called on a click. */
export function listCollections(collections, picked) {
  $('empty').hidden = collections.length > 0;
  $('cards').replaceChildren(...collections.map((collection) => {
    const card = el('button', { type: 'button', className: 'card' },
      el('span', { className: 'title', textContent: titleOf(collection) }),
      el('span', { className: 'period', textContent: periodOf(collection) }),
      el('span', { className: 'count', textContent: boxOf(collection) ? '' : 'No record yet' }));
    card.dataset.id = collection.id;
    card.addEventListener('click', () => picked(collection.id));
    return el('li', {}, card);
  }));
}

export function setCount(id, count, more = false) {
  const card = cardOf(id);
  if (card) card.querySelector('.count').textContent = more ? `more than ${plural(count, 'date')}` : plural(count, 'date');
}

export function showChosen(collection) {
  for (const card of document.querySelectorAll('.card'))
    card.setAttribute('aria-current', String(card.dataset.id === collection.id));
  cardOf(collection.id)?.scrollIntoView({ block: 'nearest' });
  $('chosen').hidden = false;
  $('description').textContent = text(collection.description) || 'No description.';
  $('fit').disabled = !boxOf(collection);
  const source = words(collection.attribution);
  $('attribution').textContent = source && `Data: ${source}`;
  document.title = `${titleOf(collection)} – Prismcube viewer`;
}

export function listRecords(items) {
  const names = items.map(({ id, properties }) => text(properties?.name) || String(id));
  const rows = names.slice(0, MOST_RECORDS).map((name) => el('li', { textContent: name, title: name }));
  if (names.length > MOST_RECORDS) rows.push(el('li', { textContent: `and ${names.length - MOST_RECORDS} more` }));
  $('records').replaceChildren(...(rows.length ? rows : [el('li', { textContent: 'None' })]));
}

/** [west, south, east, north], or null for a collection without data. */
export function boxOf({ extent }) {
  return extent?.spatial?.bbox?.[0] ?? null;
}

/** The collection to open when none is named: of those with data, the one of the longest period. */
export function firstOf(collections) {
  const filled = collections.filter(boxOf);
  return filled.reduce((best, one) => (lengthOf(one) > lengthOf(best) ? one : best), filled[0] ?? collections[0]);
}

/** Milliseconds of its period; 0 for a single date, Infinity for an open end. */
export function lengthOf({ extent }) {
  const [from, to] = extent?.temporal?.interval?.[0] ?? [];
  if (!from || !to) return from || to ? Infinity : 0;
  return Date.parse(to) - Date.parse(from);
}

/** [lon, lat] in the middle of a box; null without one. */
export function centreOf(bbox) {
  if (!bbox) return null;
  const [west, south, east, north] = bbox.length === 6 ? [bbox[0], bbox[1], bbox[3], bbox[4]] : bbox;
  const lon = (west + (east < west ? east + 360 : east)) / 2;
  return [lon > 180 ? lon - 360 : lon, (south + north) / 2];
}

/** Pixels along the longitudes and the latitudes, or null if the server does not tell. */
export function pixelsOf({ extent }) {
  const counts = extent?.spatial?.grid?.map(({ cellsCount }) => cellsCount) ?? [];
  return counts.length === 2 && counts.every((n) => n > 0) ? counts : null;
}

export const titleOf = (collection) => text(collection.title) || collection.id;

function periodOf({ extent }) {
  const interval = extent?.temporal?.interval?.[0];
  if (!interval) return '';
  const [from, to] = interval.map((iso) => (iso ? day(Date.parse(iso)) : 'open'));
  return from === to ? from : `${from} – ${to}`;
}

function cardOf(id) {
  return [...document.querySelectorAll('.card')].find((card) => card.dataset.id === id);
}
