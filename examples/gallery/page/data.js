// What is known: the data, decoded, and what is chosen of it.

const $ = (id) => document.getElementById(id);
const gallery = JSON.parse($("data").textContent);
const { surfaces, methods, stories } = gallery;
const SPEEDS = [2, 5, 10, 20, 50, 100];
const DASHES = [[], [9, 5], [3, 4], [12, 4, 3, 4], [6, 3]];
// Okabe and Ito's colors, which color-blind eyes tell apart; of black and blue, those that show on dark.
const COLORS = {
  light: ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"],
  dark: ["#f0e442", "#ee7733", "#17b58a", "#cc79a7", "#56b4e9", "#e69f00", "#ffffff"],
};
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const night = matchMedia("(prefers-color-scheme: dark)");
const state = {
  story: -1, setting: 0, from: [0, 0], // of a story, or -1; which value of its slider; where its lines begin
  surface: 0, slots: new Map(), start: 0, // of all surfaces
  step: 0, speed: 20, playing: false, probe: null, solid: false, turn: 30,
};
let sheet = null; // the surface's data, decoded
let ground = null; // its shading, drawn

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function reader(bytes) {
  let at = 0;
  const count = () => {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const series = (length) => {
    const values = new Uint16Array(length);
    for (let i = 0, value = 0; i < length; i++) {
      const change = count();
      value += (change >>> 1) ^ -(change & 1);
      values[i] = value;
    }
    return values;
  };
  const numbers = (length) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8 * length);
    return Float64Array.from({ length }, (_, i) => view.getFloat64(8 * i, true));
  };
  return { count, series, numbers };
}

async function decode(surface) {
  const tables = reader(await unpacked(surface.tables));
  const nodes = ([columns, rows]) => (columns + 1) * (rows + 1);
  const loss = tables.series(nodes(gallery.fine));
  const [gradient, low, high] = [0, 1, 2].map(() => Float64Array.from(tables.series(nodes(gallery.coarse)), signed));
  const bytes = reader(await unpacked(surface.paths));
  const fraction = (code) => code / 2048 - 1;
  const paths = methods.map(() => surface.starts.map(() => {
    const [count, written, end] = [bytes.count(), bytes.count(), bytes.count()];
    const x = Float64Array.from(bytes.series(written), fraction);
    const y = Float64Array.from(bytes.series(written), fraction);
    return { count, x, y, heights: bytes.series(written).map((code) => 16 * code), end: end && surface.ends[end - 1] };
  }));
  const finals = bytes.numbers(methods.length * surface.starts.length);
  paths.forEach((all, m) => all.forEach((path, s) => { path.final = finals[m * surface.starts.length + s]; }));
  return { loss, gradient, low, high, paths };
}

const told = () => stories[state.story];
const surface = () => told() ?? surfaces[state.surface];
/** Where the lines begin. */
const begin = () => (told() ? state.from : surface().starts[state.start]);
function chosen() {
  if (!sheet) return [];
  if (told()) return told().lines.map((method, m) => ({ method, m, slot: m, path: sheet.paths[m][0] }));
  return [...state.slots].map(([name, slot]) => {
    const m = methods.findIndex((method) => method.name === name);
    return { method: methods[m], m, slot, path: sheet.paths[m][state.start] };
  });
}
const at = (path, step) => Math.min(step, path.x.length - 1);
const height = (code) => (code > 16 ? 10 ** ((20 * code) / 65535 - 16) : 0);
const lossOf = (code) => surface().base + surface().scale * height(code);
/** The inverse of `lossOf`: 0 is below the lowest, 1 nothing above it. */
function codeOf(loss, { base, scale }) {
  const above = (loss - base) / scale;
  if (above < 0) return 0;
  if (Number.isNaN(above)) return 65535;
  return Math.min(Math.max(Math.round((65535 * (Math.log10(above) + 16)) / 20), 1), 65535);
}
const signed = (code) => (code ? 10 ** ((30 * ((code >> 1) - 1)) / 32766 - 15) * (code & 1 ? -1 : 1) : NaN);
/** The last loss whole, those before it to two digits; lower ones than the frame has are outside. */
function lossAt(path, step) {
  if (step >= path.count - 1) return digits(path.final, 6);
  if (path.losses) return digits(path.losses[step], 4);
  const code = path.heights[at(path, step)];
  return (code ? "" : "< ") + digits(lossOf(code), 2);
}

function digits(value, count) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(Math.min(count, 4) - 1).replace("-", "−").replace("e-", "e−");
  return String(Number(value.toPrecision(count))).replace("-", "−");
}

function isOutside(path, i) {
  return path.x[i] < 0 || path.x[i] > 1 || path.y[i] < 0 || path.y[i] > 1;
}

/** What became of a path, in a few words. */
function fate(path) {
  const last = path.count - 1;
  if (path.fate) return path.fate;
  if (path.end === "diverged") return `diverged at step ${last}`;
  let outside = path.x.length;
  while (outside > 0 && isOutside(path, outside - 1)) outside--;
  if (outside < path.x.length) return `left at step ${outside}`;
  return path.end ? `${path.end.split(":")[0]} at step ${last}` : "";
}
