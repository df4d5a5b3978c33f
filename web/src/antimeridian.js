// world-atlas lets rings jump from 180° to -180°; drawn as they are they streak across the map.
import MultiPolygon from 'ol/geom/MultiPolygon.js';
import { getHeight, getWidth } from 'ol/extent.js';
import { get as getProjection } from 'ol/proj.js';

const WORLD = getProjection('EPSG:3857').getExtent();
const WIDTH = getWidth(WORLD);

/** The polygons in map units, those across the antimeridian drawn whole on both sides of the world. */
export function mendAntimeridian(geometry) {
  const polygons = geometry.getType() === 'Polygon' ? [geometry.getCoordinates()] : geometry.getCoordinates();
  return new MultiPolygon(polygons.flatMap((rings) => {
    if (!rings.some(jumps)) return [rings];
    const whole = rings.map(unrolled);
    return [-WIDTH, 0, WIDTH].map((shift) => whole.map((ring) => ring.map(([x, y]) => [x + shift, y])));
  }));
}

const jumps = (ring) => ring.some(([x], i) => i > 0 && Math.abs(x - ring[i - 1][0]) > WIDTH / 2);

/** The ring with no jump; around the pole (Antarctica) it does not close, so it is led there. */
function unrolled(ring) {
  let shift = 0;
  const out = ring.map(([x, y], i) => {
    const step = i > 0 ? x - ring[i - 1][0] : 0;
    if (Math.abs(step) > WIDTH / 2) shift -= Math.sign(step) * WIDTH;
    return [x + shift, y];
  });
  const [first, last] = [out[0], out.at(-1)];
  if (Math.abs(last[0] - first[0]) < WIDTH / 2) return out;
  const pole = WORLD[1] - getHeight(WORLD);
  return [...out, [last[0], pole], [first[0], pole], first];
}
