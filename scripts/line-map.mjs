// line-map.mjs: a plugin of the bundler that keeps of its source maps what names files and lines: a twelfth of their size.
import { SourceMap } from 'node:module';

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** A number of a source map: five bits a digit, the lowest first; the sign is the first bit. */
function vlq(value) {
  let left = value < 0 ? (-value << 1) | 1 : value << 1;
  let text = '';
  do {
    const digit = left & 31;
    left >>>= 5;
    text += DIGITS[left > 0 ? digit | 32 : digit];
  } while (left > 0);
  return text;
}

/** The places of a line of the bundle from which on it is of another line of the sources: [column, source, line]. */
function placesOf(map, line, length, sources) {
  const places = [];
  for (let column = 0; column < length; column++) {
    const { originalSource, originalLine } = map.findEntry(line, column);
    if (originalSource === undefined) continue;
    const place = [column, sources.indexOf(originalSource), originalLine];
    const last = places.at(-1);
    if (last?.[1] !== place[1] || last[2] !== place[2]) places.push(place);
  }
  return places;
}

/** A source map of the same places, without columns and texts of the sources. */
function slim(code, payload) {
  const map = new SourceMap(payload);
  let before = [0, 0];
  const mappings = code.split('\n').map((text, line) => {
    let column = 0;
    const segments = placesOf(map, line, text.length, payload.sources).map(([at, source, original]) => {
      const segment = [at - column, source - before[0], original - before[1], 0].map(vlq).join('');
      column = at;
      before = [source, original];
      return segment;
    });
    return segments.join(',');
  });
  return { version: 3, sources: payload.sources, names: [], mappings: mappings.join(';') };
}

export function lineMap() {
  return {
    name: 'line-map',
    generateBundle(_, files) {
      for (const file of Object.values(files)) {
        if (file.type !== 'chunk' || !file.map) continue;
        const asset = files[`${file.fileName}.map`];
        asset.source = JSON.stringify(slim(file.code, JSON.parse(asset.source)));
      }
    },
  };
}
