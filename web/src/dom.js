// Text from the server enters the page only through textContent.

export const $ = (id) => document.getElementById(id);

/** An element with properties and children; strings become text, never markup. */
export function el(name, props = {}, ...children) {
  const node = Object.assign(document.createElement(name), props);
  node.append(...children.filter((child) => child != null && child !== ''));
  return node;
}

/** A JSON text member: a string, or one a language as CoverageJSON has it. */
export function text(value) {
  if (typeof value === 'string') return value;
  return String(value?.en ?? Object.values(value ?? {})[0] ?? '');
}

/** The words of a text that may hold markup, as attributions may. */
export const words = (value) => text(value).replace(/<[^>]*>/g, '').trim();

const DAY = new Intl.DateTimeFormat('en-GB', { day: '2-digit', month: 'short', year: 'numeric', timeZone: 'UTC' });
const MONTH = new Intl.DateTimeFormat('en-GB', { month: 'short', year: 'numeric', timeZone: 'UTC' });

/** "05 Jun 2018" */
export const day = (time) => DAY.format(time);

/** "Jun 2018" */
export const month = (time) => MONTH.format(time);

/** "10:56 UTC" */
export const clock = (time) => `${new Date(time).toISOString().slice(11, 16)} UTC`;

/** "12.3457° S, 45.0000° W" */
export function position([lon, lat], digits = 4) {
  const part = (n, plus, minus) => `${Math.abs(n).toFixed(digits)}° ${n < 0 ? minus : plus}`;
  return `${part(lat, 'N', 'S')}, ${part(lon, 'E', 'W')}`;
}

export const plural = (n, one, many = `${one}s`) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
