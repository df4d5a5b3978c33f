// The form of a process: estimates what a job would cost, submits it, and goes to its page.
const root = document.documentElement.dataset.root;
const form = document.getElementById('run-form');
const inputs = document.getElementById('inputs');
const told = document.getElementById('told');
const own = `${root}processes/${encodeURIComponent(form.dataset.process)}`;

/** The object in the editor; null, with a word to the user, when it is none. */
function given() {
  try {
    const found = JSON.parse(inputs.value);
    if (found !== null && typeof found === 'object' && !Array.isArray(found)) return found;
    say('Inputs must be a JSON object.', true);
  } catch ({ message }) {
    say(`Inputs are not JSON: ${message}`, true);
  }
  return null;
}

async function post(verb, body, headers = {}) {
  const answer = await fetch(`${own}/${verb}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.detail ?? answer.statusText);
  return [answer, found];
}

function say(text, isBad = false) {
  told.textContent = text;
  told.className = isBad ? 'bad' : '';
}

/** A value of an estimate, for people. */
function shown(value) {
  if (value === null) return 'unknown';
  return typeof value === 'number' ? value.toLocaleString('en') : JSON.stringify(value);
}

async function estimate() {
  const found = given();
  if (!found) return;
  say('…');
  try {
    const [, cost] = await post('estimate', { inputs: found });
    say(Object.entries(cost).filter(([name]) => name !== 'processID')
      .map(([name, value]) => `${name} ${shown(value)}`)
      .join(' · '));
  } catch ({ message }) {
    say(message, true);
  }
}

async function run(event) {
  event.preventDefault();
  const found = given();
  if (!found) return;
  const more = { level: form.elements.level.value, priority: Number(form.elements.priority.value) || 0 };
  try {
    const [answer] = await post(
      'execution',
      { inputs: found, response: 'document', 'prismcube:job': more },
      { Prefer: 'respond-async' },
    );
    location.assign(`${answer.headers.get('Location')}?f=html`);
  } catch ({ message }) {
    say(message, true);
  }
}

function add({ target }) {
  const name = target.dataset.input;
  const found = name && given();
  if (!found) return;
  found[name] = JSON.parse(target.dataset.example);
  inputs.value = JSON.stringify(found, null, 2);
}

form.addEventListener('submit', run);
form.addEventListener('click', add);
document.getElementById('estimate').addEventListener('click', estimate);
