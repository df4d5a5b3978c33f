// Land and countries from a file of our own, so that the map needs no other server.
import TopoJSON from 'ol/format/TopoJSON.js';
import Graticule from 'ol/layer/Graticule.js';
import VectorLayer from 'ol/layer/Vector.js';
import VectorSource from 'ol/source/Vector.js';
import { Fill, Stroke, Style, Text } from 'ol/style.js';
import { mendAntimeridian } from './antimeridian.js';
import { root } from './api.js';
import { FONT, COLORS } from './theme.js';

export function countries() {
  const land = new Style({
    fill: new Fill({ color: COLORS.land }),
    stroke: new Stroke({ color: COLORS.border, width: 1 }),
    text: new Text({
      font: `500 12px ${FONT}`,
      fill: new Fill({ color: COLORS.label }),
      stroke: new Stroke({ color: COLORS.land, width: 3 }),
    }),
  });
  const source = new VectorSource({ url: new URL('viewer/assets/world.json', root).href, format: new TopoJSON() });
  source.on('featuresloadend', ({ features }) => {
    for (const country of features) country.setGeometry(mendAntimeridian(country.getGeometry()));
  });
  return new VectorLayer({
    source,
    declutter: true,
    style(country) {
      land.getText().setText(country.get('name'));
      return land;
    },
  });
}

/** Meridians and parallels: what tells where one is once the countries are out of sight. */
export function graticule() {
  const label = () => new Text({ font: `11px ${FONT}`, fill: new Fill({ color: COLORS.label }) });
  const lon = label();
  lon.setTextBaseline('top');
  const lat = label();
  lat.setTextAlign('end');
  return new Graticule({
    strokeStyle: new Stroke({ color: COLORS.grid, width: 1 }),
    showLabels: true,
    wrapX: false,
    lonLabelPosition: 0.985,
    latLabelPosition: 0.995,
    lonLabelStyle: lon,
    latLabelStyle: lat,
    lonLabelFormatter: (n) => degrees(n, 'E', 'W'),
    latLabelFormatter: (n) => degrees(n, 'N', 'S'),
    // Degrees between lines, with decimal rather than the usual sexagesimal steps.
    intervals: [90, 45, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001],
    targetSize: 140,
  });
}

function degrees(n, plus, minus) {
  const shown = Number(Math.abs(n).toFixed(4));
  return `${shown}°${shown === 0 ? '' : n < 0 ? minus : plus}`;
}
