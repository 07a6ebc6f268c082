// Hands and keys.

function wireMap() {
  const map = $("map");
  const place = (event) => {
    const box = map.getBoundingClientRect();
    const inside = (value) => Math.min(Math.max(value, 0), 1);
    return [inside((event.clientX - box.left) / box.width), inside(1 - (event.clientY - box.top) / box.height)];
  };
  const onRing = (event) => {
    const [u, v] = fractions(begin());
    const box = map.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left - u * box.width, event.clientY - box.top - (1 - v) * box.height];
    return Math.hypot(x, y) < (event.pointerType === "mouse" ? 14 : 26);
  };
  let held = false;
  let turned = null; // in 3-D: where a finger began, and how the surface stood
  map.addEventListener("pointerdown", (event) => {
    if (!sheet) return;
    if (state.solid) {
      turned = [event.clientX, state.turn];
      map.setPointerCapture(event.pointerId);
      return;
    }
    held = onRing(event);
    if (held) map.setPointerCapture(event.pointerId);
    else probe(place(event));
  });
  // A finger on the ring drags; anywhere else it scrolls the page.
  map.addEventListener("touchstart", (event) => { if (held) event.preventDefault(); }, { passive: false });
  map.addEventListener("pointermove", (event) => {
    if (!sheet) return;
    if (state.solid) {
      if (turned) turnTo(turned[1] - 0.5 * (event.clientX - turned[0]));
      return;
    }
    map.classList.toggle("grab", held || onRing(event));
    if (held) dragStart(place(event), true);
    else if (event.pointerType === "mouse") probe(place(event));
  });
  for (const end of ["pointerup", "pointercancel"]) map.addEventListener(end, () => { if (turned || held) keep(); held = false; turned = null; });
  map.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") probe(null); });
  map.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === "Enter") ownStart();
    else if (way && event.shiftKey) probe((state.probe || [0.5, 0.5]).map((value, i) => Math.min(Math.max(value + way[i] / 44, 0), 1)));
    else if (way) {
      const [u, v] = fractions(begin());
      if (told()) dragStart([u + way[0] / 44, v + way[1] / 44].map((value) => Math.min(Math.max(value, 0), 1)));
      const ahead = ([x, y]) => way[0] * (x - u) + way[1] * (y - v) > Math.abs(way[1] * (x - u)) + Math.abs(way[0] * (y - v)) + 1e-9;
      if (!told()) moveStart(nearest([u, v], ahead));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

function probe(place) {
  state.probe = place;
  fillReadout();
  draw();
}

function wireChart() {
  const chart = $("chart");
  const scrub = (event) => {
    const box = chart.getBoundingClientRect();
    play(false);
    seek(Math.round(((event.clientX - box.left - 46) / (box.width - 54)) * surface().steps));
  };
  chart.addEventListener("pointerdown", (event) => {
    chart.setPointerCapture(event.pointerId);
    scrub(event);
  });
  chart.addEventListener("pointermove", (event) => { if (event.buttons) scrub(event); });
  chart.addEventListener("pointerup", keep);
}

function faster(by) {
  setSpeed(SPEEDS[Math.min(Math.max(SPEEDS.indexOf(state.speed) + by, 0), SPEEDS.length - 1)]);
  keep();
}

function stepBy(by) {
  play(false);
  seek(Math.floor(state.step) + by);
  keep();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !sheet) return;
  const on = event.target.tagName;
  const own = on === "SELECT" || on === "SUMMARY" || (on === "INPUT" && event.target.type === "range");
  const acts = {
    " ": () => play(!state.playing),
    ArrowLeft: () => stepBy(event.shiftKey ? -10 : -1),
    ArrowRight: () => stepBy(event.shiftKey ? 10 : 1),
    Home: () => stepBy(-Infinity),
    End: () => stepBy(Infinity),
    "+": () => faster(1),
    "=": () => faster(1),
    "-": () => faster(-1),
    "[": () => turn(-1),
    "]": () => turn(1),
    3: () => setSolid(!state.solid),
    t: () => setTheme(theme() === "dark" ? "light" : "dark", true),
  };
  // Buttons and boxes are pressed by the space bar; lists and sliders have arrows of their own.
  if ((event.key === " " && (on === "BUTTON" || on === "INPUT" || own)) || (own && /^(Arrow|Home|End)/.test(event.key))) return;
  const act = acts[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

function setTheme(name, remember) {
  document.documentElement.dataset.theme = name;
  $("theme").textContent = name === "dark" ? "☀ light" : "☾ dark";
  try {
    if (remember) localStorage.setItem("thalweg-theme", name);
  } catch { /* a file may not store anything */ }
  if (sheet) changed();
}

function wire() {
  const option = (value, text) => `<option value="${value}">${text}</option>`;
  $("surface").innerHTML = surfaces.map((surface) => option(surface.name, surface.title)).join("");
  $("speed").innerHTML = SPEEDS.map((speed) => option(speed, `${speed}/s`)).join("");
  $("families").innerHTML = gallery.families.map((family) => `<fieldset><legend>${family}</legend>` + methods
    .filter((method) => method.family === family)
    .map((method) => `<label title="${method.formula}"><input type="checkbox" value="${method.name}"><i></i>${method.title}</label>`)
    .join("") + "</fieldset>").join("");
  const raised = (power) => "10" + [...String(power)].map((digit) => digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("");
  const [low, high] = gallery.powers.map(raised);
  $("rates").textContent = `Rates are not tuned by hand. For each optimizer and surface they are searched among 1, 2 and 5 times ${low} to ${high} and the optimizer's default: the rate whose paths leave the frame from the fewest of five starts (the surface's own and the frame's quarter points), and of these the one with the lowest mean logarithm of the loss above the lowest known over the second half of the steps. Solvers choose their lengths by themselves. Noise is drawn from one seed for all.`;

  $("surface").addEventListener("change", () => turn($("surface").selectedIndex - state.surface));
  $("stories").innerHTML = [...stories.map((story) => story.title), "All surfaces"]
    .map((title, index) => `<button type="button" value="${index}">${title}</button>`).join("");
  $("stories").addEventListener("click", (event) => {
    if (event.target.value !== undefined && event.target.tagName === "BUTTON") openStory(Number(event.target.value));
  });
  $("setting").addEventListener("input", () => setSetting(Number($("setting").value), true));
  $("setting").addEventListener("change", keep);
  $("solid").addEventListener("click", () => setSolid(!state.solid));
  $("turn").addEventListener("input", () => turnTo(Number($("turn").value)));
  $("turn").addEventListener("change", keep);
  $("previous").addEventListener("click", () => turn(-1));
  $("next").addEventListener("click", () => turn(1));
  $("play").addEventListener("click", () => play(!state.playing));
  $("back").addEventListener("click", () => stepBy(-1));
  $("forward").addEventListener("click", () => stepBy(1));
  $("scrub").addEventListener("input", () => { play(false); seek(Number($("scrub").value)); });
  $("scrub").addEventListener("change", keep);
  $("speed").addEventListener("change", () => { setSpeed(Number($("speed").value)); keep(); });
  $("none").addEventListener("click", () => { state.slots.clear(); changed(); });
  $("families").addEventListener("change", (event) => { toggle(event.target.value, event.target.checked); changed(); });
  $("theme").addEventListener("click", () => setTheme(theme() === "dark" ? "light" : "dark", true));
  night.addEventListener("change", () => setTheme(night.matches ? "dark" : "light", false));
  window.addEventListener("hashchange", () => { if (location.hash !== written) restore(); });
  new ResizeObserver(draw).observe($("map"));
  wireMap();
  wireChart();
  namePlay();
}

let stored = null;
try {
  stored = localStorage.getItem("thalweg-theme");
} catch { /* a file may not store anything */ }
setTheme(stored || (night.matches ? "dark" : "light"), false);
document.documentElement.dataset.ready = "no";
state.surface = 0;
wire();
restore().then(() => { document.documentElement.dataset.ready = "yes"; });
