// The dock under the map: field, point, chart of the series, CSV.
import * as api from './api.js';
import { makeChart } from './chart.js';
import { $, clock, day, el, position } from './dom.js';
import { fieldsOf, figure, seriesOf } from './series.js';
import { dayOf } from './steps.js';

const HINT = 'Click on the map to draw the series of a point.';

/** Handlers: picked(milliseconds) on a click in the chart, fieldChosen(id), cleared(). */
export function makeDock({ picked, fieldChosen, cleared }) {
  const chart = makeChart($('chart'), { picked, hovered: readOut });
  let fields = [];
  let series = null;
  let now = null;
  let request = new AbortController();

  $('field').addEventListener('change', () => fieldChosen($('field').value));
  $('clear').addEventListener('click', cleared);

  /** Date and value at an index, or at the current date when the pointer is elsewhere. */
  function readOut(index) {
    $('readout').replaceChildren();
    if (!series || (index == null && now == null)) return;
    const i = index ?? series.times.indexOf(nearestTime(series.times, now));
    if (index == null && dayOf(series.times[i]) !== dayOf(now)) return write(day(now), 'no record here', true);
    const value = series.values[i];
    if (value == null) write(dateOf(series.times, i), 'no valid value', true);
    else write(dateOf(series.times, i), `${figure(value)} ${series.field.unit}`);
  }

  function write(date, value, none = false) {
    $('readout').replaceChildren(
      el('span', { textContent: date }), ' ',
      el('strong', { textContent: value, className: none ? 'none' : '' }));
  }

  function empty(note, isError = false) {
    series = null;
    chart.clear();
    delete $('series').dataset.points;
    delete $('series').dataset.nulls;
    $('chart').setAttribute('aria-label', 'No series drawn yet');
    readOut(null);
    say(note, isError);
  }

  function say(note, isError = false) {
    $('series-note').textContent = note;
    $('series-note').classList.toggle('error', isError);
  }

  return {
    /** Fills the list of fields of a collection; returns the field chosen, or null. */
    setCollection(collection, wanted) {
      request.abort();
      fields = fieldsOf(collection);
      const group = (label, some) => some.length && el('optgroup', { label }, ...some.map(option));
      $('field').replaceChildren(...[
        group('Computed', fields.filter((f) => f.computed)),
        group('Measured', fields.filter((f) => !f.computed)),
      ].filter(Boolean));
      $('field').disabled = fields.length === 0;
      const chosen = fields.find(({ id }) => id === wanted) ?? fields[0];
      if (chosen) $('field').value = chosen.id;
      return chosen?.id ?? null;
    },

    /** Marks the current date, in milliseconds. */
    mark(time) {
      now = time;
      chart.mark(time);
      readOut(null);
    },

    /** Draws the series of a field at a point and returns it; without a point, the hint, and null. */
    async draw(collection, point, fieldId) {
      request.abort();
      request = new AbortController();
      const { signal } = request;
      const field = fields.find(({ id }) => id === fieldId);
      $('where').textContent = point ? position(point) : '';
      $('clear').hidden = !point;
      $('csv').hidden = true;
      if (!point || !field) {
        empty(fields.length || !collection ? HINT : 'This collection has no field to draw.');
        return null;
      }
      empty('Reading the series…');
      try {
        const url = api.positionUrl(collection.id, point, field.id, 'json');
        const coverage = await api.getJson(url, { signal });
        if (signal.aborted) return null;
        const read = { ...seriesOf(coverage, field.id), field };
        show(read, point);
        $('csv').href = api.positionUrl(collection.id, point, field.id, 'csv').href;
        $('csv').setAttribute('download', `${collection.id}-${field.id}.csv`);
        $('csv').hidden = false;
        return read;
      } catch (error) {
        if (error.name !== 'AbortError') empty(`No series: ${error.message}`, true);
        return null;
      }
    },
  };

  function show(read, point) {
    const count = read.times.length;
    if (!count) {
      empty('The server has no date at this point.');
      $('series').dataset.points = $('series').dataset.nulls = '0';
      return;
    }
    series = read;
    const valid = count - series.nulls;
    $('where').textContent = `${position(point)} · ${valid} of ${count} valid`;
    chart.draw({ ...series, unit: series.field.unit, span: series.field.span });
    chart.mark(now);
    $('chart').setAttribute('aria-label',
      `Series of ${series.field.id} at ${position(point)}: ${count} dates, ${series.nulls} without a valid value`);
    say(valid ? '' : 'No valid value at this point: every date is masked, or the point lies outside the data.');
    readOut(null);
    $('series').dataset.points = count;
    $('series').dataset.nulls = series.nulls;
  }
}

function option({ id, label }) {
  return el('option', { value: id, textContent: label === id ? id : `${id} – ${label}` });
}

/** The day, with the hour when the day has several dates. */
function dateOf(times, i) {
  const alone = [times[i - 1], times[i + 1]].every((other) => other === undefined || dayOf(other) !== dayOf(times[i]));
  return alone ? day(times[i]) : `${day(times[i])}, ${clock(times[i])}`;
}

function nearestTime(times, time) {
  return times.reduce((best, t) => (Math.abs(t - time) < Math.abs(best - time) ? t : best), times[0]);
}
