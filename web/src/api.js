// Every request of the page goes through here, relative to the API root.

/** The API's address: the page names it, or lies in it: "https://host/eo/viewer#..." -> "https://host/eo/". */
export const root = new URL(document.documentElement.dataset.root ?? '.', location.href);

/** Records asked in one request; the server names the next page when there are more. */
const PAGE = 1000;

/** An error answer of the server (RFC 9457), or no answer at all. */
export class Problem extends Error {
  constructor(title, detail, status) {
    super(detail || title);
    this.title = title;
    this.status = status;
  }
}

/** All the collections; as many pages as there are. */
export async function collections() {
  const found = [];
  const read = new Set();
  for (let url = at('collections', { f: 'json', limit: PAGE }); ; ) {
    const page = await getJson(url);
    found.push(...(page.collections ?? []));
    const next = nextOf(page, url);
    if (!next || read.has(next.href)) return found;
    read.add(next.href);
    url = next;
  }
}

/** One page of records: { items, next }, next being the address of the page after, or null. */
export async function itemsPage(id, { url, signal } = {}) {
  url ??= at(`collections/${encodeURIComponent(id)}/items`, { f: 'json', limit: PAGE });
  const page = await getJson(url, { signal });
  return { items: page.features ?? [], next: nextOf(page, url) };
}

/** All the records of a collection; told(count) is called after each page. */
export async function allItems(id, { signal, told = () => {} } = {}) {
  const items = [];
  const read = new Set();
  for (let url; ; ) {
    const page = await itemsPage(id, { url, signal });
    items.push(...page.items);
    told(items.length);
    if (!page.next || read.has(page.next.href)) return items;
    read.add(page.next.href);
    url = page.next;
  }
}

/** Address of the series of a field at a point, in CoverageJSON or CSV. */
export function positionUrl(id, [lon, lat], field, f) {
  const coords = `POINT(${lon} ${lat})`;
  return at(`collections/${encodeURIComponent(id)}/position`, { coords, 'parameter-name': field, f });
}

/** Address template of the map tiles of a date; note the row before the column. */
export function tileTemplate(id, datetime) {
  const tiles = at(`collections/${encodeURIComponent(id)}/map/tiles/WebMercatorQuad/`, { datetime });
  return `${tiles.origin}${tiles.pathname}{z}/{y}/{x}${tiles.search}`;
}

/** The answer as JSON; throws Problem with the server's own words. */
export async function getJson(url, { signal } = {}) {
  let answer;
  try {
    answer = await fetch(url, { signal, headers: { Accept: 'application/json' } });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('No answer', 'The server did not answer. Check that it runs, then try again.', 0);
  }
  if (!answer.ok) throw await problemOf(answer);
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('Not JSON', `The server's answer to ${new URL(url).pathname} is not JSON.`, answer.status);
  }
}

/** Why an image did not come, asked again because <img> hides the answer; null if it comes now. */
export async function whyNot(url) {
  try {
    const answer = await fetch(url);
    return answer.ok ? null : await problemOf(answer);
  } catch {
    return new Problem('No answer', 'The server did not answer for some map tiles.', 0);
  }
}

async function problemOf(answer) {
  const { title, detail } = await answer.json().catch(() => ({}));
  const named = title || `The server answered ${answer.status} ${answer.statusText}`.trim();
  return new Problem(named, detail, answer.status);
}

function at(path, query) {
  const url = new URL(path, root);
  // Not URLSearchParams: it writes a space as "+", which few servers read in a WKT.
  url.search = Object.entries(query).map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&');
  return url;
}

/** Only the query of the link is kept: behind a proxy its host may be one the browser can't reach. */
function nextOf({ links = [] }, current) {
  const link = links.find(({ rel, href }) => rel === 'next' && href);
  if (!link) return null;
  const next = new URL(current);
  next.search = new URL(link.href, current).search;
  return next;
}
