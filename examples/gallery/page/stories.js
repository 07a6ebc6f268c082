// The stories: what the crate computes while one looks at it.

const rosenbrock = surfaces.findIndex((surface) => surface.name === "rosenbrock");
let live = null; // the crate's functions, and their memory

async function crate() {
  if (!live) {
    const { instance } = await WebAssembly.instantiate(await unpacked(gallery.live));
    live = instance.exports;
  }
  return live;
}

/** A copy of what a function of the crate answers. */
function ask(name, ...numbers) {
  const length = live[name](...numbers);
  return new Float64Array(live.memory.buffer, live.answer(), length).slice();
}

async function tell(index, setting, from) {
  state.story = index;
  const story = told();
  sheet = null;
  await crate();
  if (story !== told()) return;
  const last = story.values.length - 1;
  state.setting = Math.min(setting ?? story.first, last);
  state.from = from ?? story.starts[state.setting];
  $("label").textContent = story.label;
  $("setting").max = last;
  describeSurface();
  landscape();
  retell();
}

/** The surface at a setting. */
function landscape() {
  const story = told();
  const losses = ask("losses", state.story, state.setting, ...gallery.fine);
  // From the lowest known, with the highest of the frame as the unit.
  story.scale = losses.reduce((a, b) => Math.max(a, b)) - story.base;
  const loss = losses.map((value) => codeOf(value, story));
  const sorted = loss.slice().sort();
  // Quantiles, narrower where the loss is low.
  const parts = Array.from({ length: gallery.bands }, (_, i) => ((i + 1) / (gallery.bands + 1)) ** 2);
  story.levels = [...new Set(parts.map((part) => sorted[Math.floor(part * (sorted.length - 1))]))];
  const shape = ask("shape", state.story, state.setting, ...gallery.coarse);
  const [gradient, low, high] = [0, 1, 2].map((k) => shape.filter((_, i) => i % 3 === k));
  sheet = { loss, gradient, low, high, paths: [] };
  ground = mesh = null;
}

/** The lines at a setting, from where they begin. */
function retell(passing = false) {
  const story = told();
  story.rates = story.lines.map((line) => line.rates[state.setting]);
  sheet.paths = story.lines.map((_, line) => [walked(story, ask("path", state.story, line, state.setting, ...state.from))]);
  $("setting").value = state.setting;
  const value = String(story.values[state.setting]).replace("e-", "e−");
  $("value").textContent = value;
  $("setting").setAttribute("aria-valuetext", value);
  changed(passing);
}

/** A path as those that were written beforehand are. */
function walked(story, numbers) {
  const [[left, low], [right, high]] = story.frame;
  const part = (k) => numbers.filter((_, i) => i % 3 === k);
  const losses = part(2);
  const goal = story.base + 1e-6 * (losses[0] - story.base);
  const there = losses.findIndex((loss) => loss <= goal);
  return {
    count: losses.length,
    x: part(0).map((x) => (x - left) / (right - left)),
    y: part(1).map((y) => (y - low) / (high - low)),
    heights: [...losses].map((loss) => codeOf(loss, story)),
    losses,
    final: losses[losses.length - 1],
    end: 0,
    fate: there < 0 ? "" : `arrived at step ${there}`,
  };
}

function setSetting(index, passing = false) {
  state.setting = index;
  state.from = told().moves ? told().starts[index] : state.from;
  if (told().reshapes) landscape();
  retell(passing);
}

/** A story by its place, or all surfaces behind the last. */
function openStory(index) {
  play(false);
  state.probe = null;
  state.step = Infinity;
  if (index >= stories.length) return show(state.surface < 0 ? rosenbrock : state.surface);
  state.step = calm.matches ? Infinity : 0;
  return tell(index).then(() => { if (!calm.matches) play(true); });
}
