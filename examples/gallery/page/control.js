// Words, and what hands and keys change.

const swatch = (slot) =>
  `<svg width="34" height="10" aria-hidden="true"><path d="M1 5H33" stroke="${color(slot)}" stroke-width="3" stroke-dasharray="${dash(slot)}"/></svg>`;

function fillRows() {
  $("rows").innerHTML = chosen().map(({ method, m, slot, path }) => {
    const rate = surface().rates[m];
    return `<tr data-name="${method.name}"><td>${swatch(slot)}</td><td title="${method.formula}">${method.title}</td>` +
      `<td class="rate">${rate === null ? "" : rate}</td><td class="loss"></td><td class="fate" title="${path.end || ""}">${fate(path)}</td></tr>`;
  }).join("");
  if (told()) return;
  for (const input of document.querySelectorAll("#families input")) {
    const slot = state.slots.get(input.value);
    input.checked = slot !== undefined;
    if (input.checked) input.nextSibling.style.borderTop = `3px ${slot < 7 ? "solid" : "dashed"} ${color(slot)}`;
  }
}

function fillLosses() {
  const step = Math.floor(state.step);
  chosen().forEach(({ path }, row) => { $("rows").rows[row].cells[3].textContent = lossAt(path, step); });
  $("step").textContent = `${step} / ${surface().steps}`;
  $("scrub").value = step;
}

function fillReadout() {
  if (state.solid) {
    $("under").textContent = "Drag the surface, or the slider, to turn it.";
    return;
  }
  if (!state.probe) {
    $("under").textContent = "Point at the map, or tap it, to read loss, gradient and curvature. " +
      (told() ? "Drag the ring to start anywhere: the lines are computed here and now." : "Drag the ring to another of the dotted starts: the crate has computed all paths beforehand.");
    return;
  }
  const [u, v] = state.probe;
  const [gradient, low, high] = [sheet.gradient, sheet.low, sheet.high].map((table) => between(table, gallery.coarse, u, v));
  const sizes = [low, high].map(Math.abs).sort((a, b) => a - b);
  const kappa = sizes[0] < 1e-9 * sizes[1] ? "∞" : digits(sizes[1] / sizes[0], 3);
  const kind = low < 0 ? (high > 0 ? ", a saddle's" : ", downward") : "";
  const [x, y] = point(state.probe).map((value) => digits(value, 3));
  const loss = digits(lossOf(code(u, v)), 4);
  $("under").innerHTML = `(${x}, ${y}): loss <b id="loss">${loss}</b>, ‖gradient‖ <b>${digits(gradient, 3)}</b>, ` +
    `curvatures ${digits(low, 3)} and ${digits(high, 3)}${kind}, condition number κ = <b>${kappa}</b>`;
}

function describe() {
  const [x, y] = begin().map((value) => digits(value, 4));
  $("map").setAttribute("aria-label", `${surface().title}: contours and the paths of ${chosen().map((line) => line.method.title).join(", ") || "no optimizer"} from (${x}, ${y})`);
}

// What changes what

let due = false;
function draw() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    if (!sheet) return;
    drawMap();
    drawChart();
    fillLosses();
  });
}

/** `passing`: another change is about to follow, and the address can wait. */
function changed(passing = false) {
  if (sheet) {
    fillRows();
    describe();
    fillReadout();
    draw();
  }
  if (!passing) keep();
}

async function show(index) {
  state.story = -1;
  state.surface = index;
  const wanted = surface();
  sheet = null;
  const decoded = await decode(wanted);
  if (wanted !== surface()) return;
  sheet = decoded;
  state.start = Math.min(state.start, wanted.starts.length - 1);
  $("surface").value = wanted.name;
  describeSurface();
  changed();
}

/** What is said of the surface or the story, and what can be done with it. */
function describeSurface() {
  ground = mesh = null;
  const { formula, lesson, steps } = surface();
  document.documentElement.dataset.mode = told() ? "story" : "all";
  [...$("stories").children].forEach((button, index) => {
    button.setAttribute("aria-current", String(index === (told() ? state.story : stories.length)));
  });
  state.step = Math.min(state.step, steps);
  $("formula").textContent = `E = ${formula}`;
  $("lesson").textContent = lesson;
  $("scrub").max = steps;
}

function turn(by) {
  if (told()) return openStory((state.story + by + stories.length + 1) % (stories.length + 1));
  const index = (state.surface + by + surfaces.length) % surfaces.length;
  state.start = 0;
  state.step = state.playing ? 0 : Infinity;
  return show(index);
}

function toggle(name, on) {
  if (!on) {
    state.slots.delete(name);
  } else if (!state.slots.has(name)) {
    const taken = new Set(state.slots.values());
    let slot = 0;
    while (taken.has(slot)) slot++;
    state.slots.set(name, slot);
  }
}

function seek(step) {
  state.step = Math.min(Math.max(step, 0), surface().steps);
  draw();
}

function play(on) {
  if (on && state.step >= surface().steps) seek(0);
  state.playing = on;
  namePlay();
  if (on) {
    before = performance.now();
    requestAnimationFrame(tick);
  } else {
    state.step = Math.floor(state.step);
    draw();
    keep();
  }
}

function namePlay() {
  $("play").textContent = state.playing ? "❚❚" : "▶";
  $("play").setAttribute("aria-label", state.playing ? "Pause" : "Play");
}

let before = 0;
function tick(now) {
  if (!state.playing) return;
  // Who wants less motion sees it four times a second.
  if (!calm.matches || now - before > 250) {
    const by = (Math.max(now - before, 0) / 1000) * state.speed;
    seek(calm.matches ? Math.floor(state.step + by) : state.step + by);
    before = now;
  }
  if (state.step >= surface().steps) play(false);
  else requestAnimationFrame(tick);
}

function setSpeed(speed) {
  state.speed = SPEEDS.includes(speed) ? speed : 20;
  $("speed").value = state.speed;
}

function moveStart(index) {
  if (index === state.start) return;
  state.start = index;
  changed();
}

const fractions = ([x, y]) => {
  const [[left, low], [right, high]] = surface().frame;
  return [(x - left) / (right - left), (y - low) / (high - low)];
};
const point = ([u, v]) => {
  const [[left, low], [right, high]] = surface().frame;
  return [left + u * (right - left), low + v * (high - low)];
};

/** The start nearest to fractions of the frame; `among` chooses some. */
function nearest([u, v], among = () => true) {
  let [best, least] = [state.start, Infinity];
  surface().starts.map(fractions).forEach(([x, y], index) => {
    const far = Math.hypot(1.375 * (x - u), y - v);
    if (far < least && among([x, y], index)) [best, least] = [index, far];
  });
  return best;
}

/** Where a hand wants the start: anywhere in a story, else at one of those that were computed. */
function dragStart(place, passing = false) {
  if (!told()) return moveStart(nearest(place));
  state.from = point(place).map((value) => Number(value.toPrecision(4)));
  retell(passing);
}

function ownStart() {
  if (!told()) return moveStart(0);
  state.from = told().starts[state.setting];
  retell();
}

function setSolid(on) {
  state.solid = on;
  $("solid").setAttribute("aria-pressed", String(on));
  $("turning").hidden = !on;
  $("map").classList.toggle("solid", on);
  state.probe = null;
  if (!sheet) return;
  fillReadout();
  draw();
  keep();
}

function turnTo(angle) {
  state.turn = ((Math.round(angle) % 360) + 360) % 360;
  $("turn").value = state.turn;
  draw();
}

// The address

let written = "";
function keep() {
  const parts = told()
    ? { story: told().name, setting: state.setting, from: state.from.join(",") }
    : { surface: surface().name, optimizers: [...state.slots.keys()].join(","), start: state.start };
  Object.assign(parts, { step: Math.floor(Math.min(state.step, surface().steps)), speed: state.speed });
  if (state.solid) Object.assign(parts, { view: "3d", turn: state.turn });
  written = "#" + Object.entries(parts).map(([key, value]) => `${key}=${value}`).join("&");
  if (location.hash !== written) location.replace(written);
}

function restore() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const known = (parts.get("optimizers") ?? "sgd,momentum,adam,muon,lbfgs").split(",")
    .filter((name) => methods.some((method) => method.name === name));
  state.slots.clear();
  known.forEach((name) => toggle(name, true));
  const whole = (key) => Math.max(0, Math.floor(Number(parts.get(key)) || 0));
  state.start = whole("start");
  state.step = parts.has("step") ? whole("step") : Infinity;
  setSpeed(Number(parts.get("speed") ?? (parts.has("surface") ? 20 : 50)));
  turnTo(parts.has("turn") ? whole("turn") : 30);
  setSolid(parts.get("view") === "3d");
  if (parts.has("surface")) {
    const index = surfaces.findIndex((surface) => surface.name === parts.get("surface"));
    return show(index < 0 ? rosenbrock : index);
  }
  const index = Math.max(stories.findIndex((story) => story.name === parts.get("story")), 0);
  const from = (parts.get("from") ?? "").split(",").map(Number);
  const given = parts.has("from") && from.length === 2 && from.every(Number.isFinite);
  return tell(index, parts.has("setting") ? whole("setting") : undefined, given ? from : undefined).then(() => {
    // Who comes for the first time sees what it is about.
    if (!parts.has("step") && !calm.matches) { seek(0); play(true); }
  });
}
