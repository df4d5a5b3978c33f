// What the page says: work under way, and what went wrong.
import { $ } from './dom.js';

$('error-close').addEventListener('click', () => ($('error').hidden = true));

/** Shows what is being done; nothing hides it. */
export function busy(text) {
  $('status').textContent = text ?? '';
  $('status').hidden = !text;
}

/** Shows an error in the server's words; null hides it. */
export function failed(error, doing) {
  $('error').hidden = !error;
  if (!error) return;
  console.debug(error);
  $('error-text').textContent = doing ? `${doing}: ${error.message}` : error.message;
}
