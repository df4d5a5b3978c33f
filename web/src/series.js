// Pure: parameters and CoverageJSON in, fields and series out.
import { text } from './dom.js';

/** Fields of a collection, computed ones first: { id, label, unit, computed, span }. */
export function fieldsOf({ parameter_names: parameters = {} }) {
  const fields = Object.entries(parameters).map(([id, parameter]) => ({
    id,
    label: text(parameter.observedProperty?.label) || text(parameter.description) || id,
    unit: unitOf(parameter),
    computed: Boolean(parameter['prismcube:computed']),
    span: parameter['prismcube:range'] ?? null,
  }));
  return [...fields.filter((f) => f.computed), ...fields.filter((f) => !f.computed)];
}

/** Times in milliseconds, ascending, and values of a field in a CoverageJSON point series. */
export function seriesOf(coverage, field) {
  const t = coverage.domain?.axes?.t?.values ?? [];
  const values = coverage.ranges?.[field]?.values ?? [];
  const pairs = t.map((iso, i) => [Date.parse(iso), values[i] ?? null]);
  pairs.sort(([a], [b]) => a - b);
  return {
    times: pairs.map(([time]) => time),
    values: pairs.map(([, value]) => value),
    nulls: pairs.filter(([, value]) => value === null).length,
  };
}

/** Three or four digits that tell something, whatever the size of the number. */
export function figure(value) {
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
}

function unitOf({ unit }) {
  const symbol = unit?.symbol?.value ?? unit?.symbol ?? '';
  return symbol === '1' ? '' : text(symbol);
}
