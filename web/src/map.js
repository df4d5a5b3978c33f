// The map: backdrop, image of a date, footprints, the chosen point. Outside this file, positions are lon/lat.
import Feature from 'ol/Feature.js';
import OlMap from 'ol/Map.js';
import View from 'ol/View.js';
import ScaleLine from 'ol/control/ScaleLine.js';
import Zoom from 'ol/control/Zoom.js';
import { platformModifierKeyOnly, shiftKeyOnly } from 'ol/events/condition.js';
import { buffer, getHeight, getWidth } from 'ol/extent.js';
import GeoJSON from 'ol/format/GeoJSON.js';
import Point from 'ol/geom/Point.js';
import { defaults as defaultInteractions } from 'ol/interaction/defaults.js';
import KeyboardPan from 'ol/interaction/KeyboardPan.js';
import KeyboardZoom from 'ol/interaction/KeyboardZoom.js';
import TileLayer from 'ol/layer/Tile.js';
import VectorLayer from 'ol/layer/Vector.js';
import { fromLonLat, toLonLat, transformExtent } from 'ol/proj.js';
import VectorSource from 'ol/source/Vector.js';
import XYZ from 'ol/source/XYZ.js';
import { Circle, Fill, Stroke, Style } from 'ol/style.js';
import { countries, graticule } from './backdrop.js';
import { COLORS } from './theme.js';

const GEOJSON = new GeoJSON({ featureProjection: 'EPSG:3857' });
const WORLD = [-180, -60, 180, 75];
const PADDING = [48, 48, 48, 48];
const MAX_ZOOM = 20;
/** Map units a tile pixel of zoom 0. */
const ZOOM_0 = 156543.034;
/** Levels beyond the first that is finer than the data: there the server draws each stored pixel where it lies. */
const FINER = 2;

/**
 * Handlers: picked(lonlat), moved(), pointed(lonlat or null), busy(boolean), tileFailed(url).
 * embedded: the map is a part of a page that scrolls, so it takes wheel and drag only while it has the focus.
 */
export function makeMap(target, handlers, { embedded = false } = {}) {
  const footprints = new VectorLayer({ source: new VectorSource(), style: footprintStyle(), zIndex: 5 });
  const marker = new VectorLayer({ source: new VectorSource(), style: markerStyle(), zIndex: 6 });
  const map = new OlMap({
    target,
    layers: [countries(), graticule(), footprints, marker],
    view: new View({ center: [0, 0], zoom: 2, maxZoom: MAX_ZOOM, enableRotation: false }),
    controls: [new Zoom(), new ScaleLine({ minWidth: 80 })],
    // Plain arrows change the date all over the page, so the map moves with shift and arrows.
    interactions: defaultInteractions({ keyboard: false, onFocusOnly: embedded }).extend([
      new KeyboardPan({ condition: shiftKeyOnly }),
      new KeyboardZoom({ condition: (event) => !platformModifierKeyOnly(event) }),
    ]),
  });
  const view = map.getView();
  let image = null;

  map.on('singleclick', ({ coordinate }) => handlers.picked(wrap(toLonLat(coordinate))));
  map.on('moveend', () => handlers.moved());
  map.on('pointermove', ({ coordinate, dragging }) => dragging || handlers.pointed(wrap(toLonLat(coordinate))));
  map.getViewport().addEventListener('pointerleave', () => handlers.pointed(null));
  target.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && event.target === target) handlers.picked(wrap(toLonLat(view.getCenter())));
  });

  return {
    /** A new image layer for a collection; null removes it. bbox bounds the tiles asked, pixels their finest level. */
    setCollection(bbox, pixels, opacity) {
      if (image) map.removeLayer(image.layer);
      image = bbox ? imageLayer(bbox, pixels, handlers) : null;
      if (image) map.addLayer(image.layer);
      this.setOpacity(opacity);
      footprints.getSource().clear();
    },

    /** Shows the tiles of an address template, and the outlines of the records in them. */
    setImage(template, items) {
      if (image) {
        image.waiting = 0;
        image.source.setUrl(template);
      }
      const drawn = items.filter(({ geometry }) => geometry);
      footprints.getSource().clear(true);
      footprints.getSource().addFeatures(GEOJSON.readFeatures({ type: 'FeatureCollection', features: drawn }));
    },

    setOpacity: (percent) => image?.layer.setOpacity(percent / 100),
    setFootprints: (shown) => footprints.setVisible(shown),

    setPoint(lonlat) {
      marker.getSource().clear();
      if (lonlat) marker.getSource().addFeature(new Feature(new Point(fromLonLat(lonlat))));
    },

    /** [lon, lat, zoom] */
    view: () => [...wrap(toLonLat(view.getCenter())), view.getZoom()],
    setView([lon, lat, zoom]) {
      view.cancelAnimations();
      view.setCenter(fromLonLat([lon, lat]));
      view.setZoom(zoom);
    },

    fit(bbox = WORLD, duration = 0) {
      view.fit(project(bbox), { padding: PADDING, maxZoom: 16, duration });
    },

    isBusy: () => Boolean(image?.waiting),
  };
}

function imageLayer(bbox, pixels, handlers) {
  const extent = project(bbox);
  const source = new XYZ({ maxZoom: finestZoom(extent, pixels), transition: 150 });
  const margin = 0.02 * Math.max(extent[2] - extent[0], extent[3] - extent[1]);
  const layer = new TileLayer({ source, extent: buffer(extent, margin), zIndex: 1 });
  const finest = source.getTileGrid().getResolutions().at(-1);
  // Enlarged pixels are squares, not a blur; reduced ones are smoothed as usual.
  layer.on('prerender', ({ context, frameState }) => {
    context.imageSmoothingEnabled = frameState.viewState.resolution >= finest;
  });
  const image = { layer, source, waiting: 0 };
  const count = (change) => {
    image.waiting = Math.max(0, image.waiting + change);
    handlers.busy(image.waiting > 0);
  };
  source.on('tileloadstart', () => count(1));
  source.on('tileloadend', () => count(-1));
  const addresses = new WeakMap();
  source.setTileLoadFunction((tile, address) => {
    addresses.set(tile, address);
    tile.getImage().src = address;
  });
  source.on('tileloaderror', ({ tile }) => {
    count(-1);
    handlers.tileFailed(addresses.get(tile));
  });
  return image;
}

/** The first zoom whose tiles are finer than the pixels: asking deeper ones adds nothing. */
function finestZoom(extent, pixels) {
  if (!pixels) return MAX_ZOOM;
  const pixel = Math.min(getWidth(extent) / pixels[0], getHeight(extent) / pixels[1]);
  return Math.min(MAX_ZOOM, Math.max(0, Math.ceil(Math.log2(ZOOM_0 / pixel)) + FINER));
}

/** A lon/lat box in map units, inside Web Mercator; a box across the antimeridian goes on past 180°. */
function project(bbox) {
  const [west, south, east, north] = bbox.length === 6 ? [bbox[0], bbox[1], bbox[3], bbox[4]] : bbox;
  const clamp = (lat) => Math.min(85, Math.max(-85, lat));
  return transformExtent([west, clamp(south), east < west ? east + 360 : east, clamp(north)], 'EPSG:4326', 'EPSG:3857');
}

function wrap([lon, lat]) {
  return [((((lon + 180) % 360) + 360) % 360) - 180, lat];
}

function footprintStyle() {
  return [
    new Style({ stroke: new Stroke({ color: COLORS.halo, width: 4 }) }),
    new Style({ stroke: new Stroke({ color: COLORS.footprint, width: 1.75 }) }),
  ];
}

function markerStyle() {
  const ring = (radius, color, width, fill) =>
    new Style({ image: new Circle({ radius, fill: fill && new Fill({ color: fill }), stroke: new Stroke({ color, width }) }) });
  return [ring(9, COLORS.halo, 5), ring(9, '#fff', 2.5), ring(2, COLORS.halo, 1.5, '#fff')];
}
