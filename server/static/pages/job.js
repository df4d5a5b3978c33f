// A job's page: asks for the status each second while the job goes on, for the new lines of its log, and for its picture
// when something has changed. Buttons are the links of the status that are to be posted to. Once the job has ended it is
// asked for again only after a button, or when somebody comes back to the page.
const root = document.documentElement.dataset.root;
const $ = (id) => document.getElementById(id);
const job = `${root}jobs/${encodeURIComponent($('job').dataset.job)}`;
const SECOND = 1000;
const SLOWLY = 5 * SECOND;
const LINES = 200;
const ENDED = ['successful', 'failed', 'dismissed'];

let seen = 0;
let shown = '';
let timer = 0;
let asking = false;
let askAgain = false;

/** The JSON of an answer. Throws what the server tells; with `isGone` when the job is not there any more. */
async function getJson(address, method = 'GET') {
  const answer = await fetch(address, { method, headers: { Accept: 'application/json' }, cache: 'no-store' });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(found.detail ?? answer.statusText), { isGone: answer.status === 404 });
  return found;
}

async function follow() {
  clearTimeout(timer);
  askAgain = asking; // what is under way may not know of what has just been done
  if (asking) return;
  asking = true;
  let pause = SLOWLY;
  try {
    const status = await getJson(job);
    const { stopping, paused } = status['prismcube:job'];
    show(status);
    await showLog();
    document.body.dataset.ready = 'true';
    if (ENDED.includes(status.status) && !stopping) pause = 0;
    else if (!paused) pause = SECOND;
  } catch ({ message, isGone }) {
    tell(message);
    if (isGone) pause = 0;
  }
  asking = false;
  if (askAgain) pause = SECOND;
  if (pause) timer = setTimeout(follow, pause);
}

function tell(message) {
  $('told').textContent = message;
}

function show(status) {
  const own = status['prismcube:job'];
  $('status').textContent = own.paused ? 'waits for you' : status.status;
  $('status').className = `badge ${own.paused ? 'paused' : status.status}`;
  $('message').textContent = status.message;
  $('progress').value = status.progress ?? 0;
  $('percent').textContent = status.progress === undefined ? '' : `${status.progress} %`;
  $('stage').textContent = own.stage;
  $('meaning').textContent = own.meaning;
  const { 'of-stage': all, open, failed } = own.tasks;
  $('tasks').textContent = all ? `${all - open} of ${all} ended${failed ? `, ${failed} badly` : ''}` : '–';
  $('times').textContent = ['created', 'started', 'updated', 'finished']
    .filter((name) => status[name])
    .map((name) => `${name} ${status[name].slice(0, 19).replace('T', ' ')}`)
    .join(' · ');
  $('outcome').hidden = status.status !== 'successful';
  showVerbs(status.links.filter(({ method }) => method === 'POST'));
  const state = JSON.stringify([status.updated, own, status.status]);
  if (state !== shown) draw();
  shown = state;
}

/** The picture anew: asked for by hand, since a browser would show the one that it has of the same address. */
async function draw() {
  const answer = await fetch(`${job}/graph?f=svg`, { cache: 'no-store' });
  if (!answer.ok) return;
  const before = $('graph').src;
  $('graph').src = URL.createObjectURL(await answer.blob());
  if (before.startsWith('blob:')) URL.revokeObjectURL(before);
}

function showVerbs(links) {
  const verbs = $('verbs');
  verbs.hidden = !links.length;
  const names = links.map(({ rel }) => rel).join();
  if (verbs.dataset.names === names) return; // keeps the focus of who is about to press one
  verbs.dataset.names = names;
  verbs.replaceChildren(...links.map(({ href, rel, title }) => {
    const button = document.createElement('button');
    Object.assign(button, { type: 'button', textContent: rel, title, className: rel === 'cancel' ? 'danger' : '' });
    button.addEventListener('click', () => act(href));
    return button;
  }));
}

async function act(address) {
  tell('');
  try {
    show(await getJson(address, 'POST'));
  } catch ({ message }) {
    tell(message);
  }
  await follow();
}

async function showLog() {
  const { logs } = await getJson(`${job}/logs?newest=true&limit=${LINES}&after=${seen}`);
  for (const line of logs) {
    const row = document.createElement('tr');
    row.className = line.level;
    for (const text of [line.time.slice(0, 19).replace('T', ' '), line.level, line.stage, line.message])
      row.append(Object.assign(document.createElement('td'), { textContent: text }));
    $('log').append(row);
    seen = line.id;
  }
  while ($('log').rows.length > LINES) $('log').deleteRow(0);
}

document.addEventListener('visibilitychange', () => document.hidden || follow());
follow();
