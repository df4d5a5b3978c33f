// Builds the viewer into server/static/viewer/: page, script, style, backdrop, licences; and the script of the HTML pages.
// Names are stable (no hashes) because the result is committed.
import { mkdir, readFile, readdir, rm, copyFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { quantize } from 'topojson-client';
import { presimplify, simplify } from 'topojson-simplify';

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.join(here, '..', 'server', 'static', 'viewer');
const assets = path.join(out, 'assets');

/** Smallest triangle kept in a coastline, in square degrees: about 5 km of detail. */
const SMALLEST_TRIANGLE = 0.002;
/** Distinct positions along each side of the world: about 2 km a step. */
const STEPS = 2e4;

await rm(out, { recursive: true, force: true });
await mkdir(assets, { recursive: true });

const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: { app: 'src/main.js', pages: 'src/pages.js' },
  outdir: assets,
  splitting: true, // what both need is one file, which a browser loads once
  chunkNames: 'shared',
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none', // the texts are in LICENSES.txt
  metafile: true,
});

await copyFile(path.join(here, 'src/index.html'), path.join(out, 'index.html'));
await copyFile(path.join(here, 'src/icon.svg'), path.join(assets, 'icon.svg'));
await writeFile(path.join(assets, 'world.json'), JSON.stringify(await backdrop()));
await writeFile(path.join(out, 'LICENSES.txt'), await licences(metafile));

/** Countries of the world as TopoJSON with their names only. */
async function backdrop() {
  const file = path.join(here, 'node_modules/world-atlas/countries-50m.json');
  const world = JSON.parse(await readFile(file, 'utf8'));
  delete world.objects.land;
  for (const country of world.objects.countries.geometries) {
    country.properties = { name: country.properties.name };
    delete country.id;
  }
  return quantize(simplify(presimplify(world), SMALLEST_TRIANGLE), STEPS);
}

/** The licence text of each package that has bytes in the bundle, and of the backdrop. */
async function licences({ outputs }) {
  const names = new Set(['world-atlas']);
  for (const { inputs } of Object.values(outputs))
    for (const [file, { bytesInOutput }] of Object.entries(inputs)) {
      const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1];
      if (name && bytesInOutput > 0) names.add(name);
    }
  const texts = await Promise.all([...names].sort().map(licence));
  return ['Software and data bundled in the map viewer and the HTML pages.', ...texts].join('\n\n') + '\n';
}

async function licence(name) {
  const dir = path.join(here, 'node_modules', name);
  const { version, license } = JSON.parse(await readFile(path.join(dir, 'package.json'), 'utf8'));
  const file = (await readdir(dir)).find((f) => /^licen[cs]e/i.test(f));
  if (!file) throw new Error(`${name}: no licence file in ${dir}; add its text by hand`);
  const text = (await readFile(path.join(dir, file), 'utf8')).trim();
  const note = name === 'world-atlas' ? '\nCountries: Natural Earth, public domain.' : '';
  return `${'='.repeat(72)}\n${name} ${version} (${license})${note}\n${'='.repeat(72)}\n\n${text}`;
}
