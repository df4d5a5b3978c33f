// What the page shows, in its address: #collection=..&date=..&view=lon,lat,zoom&point=lon,lat&field=..

/** Decimals of a point, about 0.1 m. */
const DIGITS = 6;

/** The point as the address has it: whoever opens the address sees the series of the very same pixel. */
export const rounded = (point) => point.map((n) => Number(n.toFixed(DIGITS)));

/** Absent parts are null; opacity is a percentage. */
export function readHash(hash = location.hash) {
  const q = new URLSearchParams(hash.replace(/^#/, ''));
  const opacity = numbers(q.get('opacity'), 1)?.[0];
  return {
    collection: q.get('collection'),
    date: q.get('date'),
    view: numbers(q.get('view'), 3),
    point: numbers(q.get('point'), 2),
    field: q.get('field'),
    opacity: opacity >= 0 && opacity <= 100 ? opacity : 100,
    footprints: q.get('footprints') !== 'off',
  };
}

/** replaceState and not location.hash: no history entry a date, and no hashchange of our own. */
export function writeHash({ collection, date, view, point, field, opacity, footprints }) {
  const parts = [];
  const add = (key, value) => value && parts.push(`${key}=${encodeURIComponent(value).replaceAll('%2C', ',').replaceAll('%3A', ':')}`);
  add('collection', collection);
  add('date', date);
  add('view', view?.map((n, i) => n.toFixed(i < 2 ? 5 : 2)).join(','));
  add('point', point?.map((n) => n.toFixed(DIGITS)).join(','));
  add('field', field);
  if (opacity !== 100) add('opacity', String(opacity));
  if (!footprints) add('footprints', 'off');
  const hash = `#${parts.join('&')}`;
  if (hash !== location.hash) history.replaceState(null, '', hash);
}

function numbers(text, count) {
  const all = (text ?? '').split(',').map((n) => (n.trim() ? Number(n) : NaN));
  return all.length === count && all.every(Number.isFinite) ? all : null;
}
