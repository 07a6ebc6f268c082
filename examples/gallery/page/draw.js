// The map and the chart.

const theme = () => document.documentElement.dataset.theme;
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const color = (slot) => COLORS[theme()][slot % 7];
const dash = (slot) => DASHES[Math.floor(slot / 7) % DASHES.length];

function sized(canvas) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** A table between its nodes, at fractions of the frame. */
function between(table, [columns, rows], x, y) {
  const [u, v] = [Math.min(Math.max(x, 0), 1) * columns, Math.min(Math.max(y, 0), 1) * rows];
  const [i, j] = [Math.min(Math.floor(u), columns - 1), Math.min(Math.floor(v), rows - 1)];
  const [a, b, k, width] = [u - i, v - j, j * (columns + 1) + i, columns + 1];
  return (1 - b) * ((1 - a) * table[k] + a * table[k + 1]) + b * ((1 - a) * table[k + width] + a * table[k + width + 1]);
}

const code = (x, y) => between(sheet.loss, gallery.fine, x, y);

/** Bands of the loss, with a line between two. */
function shade(width, height) {
  const image = new ImageData(width, height);
  const { levels } = surface();
  const dark = theme() === "dark";
  const band = new Uint8Array(width * height);
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0; column < width; column++, i++) {
      const value = code((column + 0.5) / width, 1 - (row + 0.5) / height);
      let k = 0;
      while (k < levels.length && levels[k] <= value) k++;
      band[i] = k;
    }
  }
  for (let i = 0; i < band.length; i++) {
    const edge = (i % width && band[i] !== band[i - 1]) || (i >= width && band[i] !== band[i - width]);
    const gray = dark ? 24 + 3.4 * band[i] + (edge ? 24 : 0) : 254 - 5 * band[i] - (edge ? 38 : 0);
    image.data.set([gray, gray, gray + (dark ? 4 : 0), 255], 4 * i);
  }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function drawMap() {
  const { context, width, height } = sized($("map"));
  if (width < 1 || height < 1) return;
  if (state.solid) return drawSolid(context, width, height);
  const [x, y] = [(part) => part * width, (part) => (1 - part) * height];
  const key = [surface().name, told() ? state.setting : 0, theme(), $("map").width, $("map").height].join();
  if (!ground || ground.key !== key) ground = { key, canvas: shade($("map").width, $("map").height) };
  context.drawImage(ground.canvas, 0, 0, width, height);
  context.lineJoin = context.lineCap = "round";

  context.fillStyle = ink("--faint");
  for (const [u, v] of told() ? [] : surface().starts.map(fractions)) {
    context.beginPath();
    context.arc(x(u), y(v), 1.6, 0, 7);
    context.fill();
  }
  context.strokeStyle = ink("--ink");
  context.lineWidth = 2;
  for (const [u, v] of surface().minima.map(fractions)) {
    context.beginPath();
    context.moveTo(x(u) - 7, y(v));
    context.lineTo(x(u) + 7, y(v));
    context.moveTo(x(u), y(v) - 7);
    context.lineTo(x(u), y(v) + 7);
    context.stroke();
  }
  const lines = chosen();
  for (const { path, slot } of lines) drawPath(context, x, y, path, slot);
  for (const { path, slot } of lines) drawHead(context, x, y, path, slot);

  const [u, v] = fractions(begin());
  context.strokeStyle = ink("--ink");
  context.lineWidth = 2.5;
  context.beginPath();
  context.arc(x(u), y(v), 9, 0, 7);
  context.stroke();
  if (state.probe) {
    const [px, py] = state.probe;
    context.lineWidth = 1;
    context.strokeStyle = ink("--faint");
    context.beginPath();
    context.moveTo(x(px), 0);
    context.lineTo(x(px), height);
    context.moveTo(0, y(py));
    context.lineTo(width, y(py));
    context.stroke();
  }
}

function drawPath(context, x, y, path, slot) {
  const { i, part } = head(path);
  context.strokeStyle = color(slot);
  context.lineWidth = 2.2;
  context.setLineDash(dash(slot));
  context.beginPath();
  context.moveTo(x(path.x[0]), y(path.y[0]));
  for (let k = 1; k <= i; k++) context.lineTo(x(path.x[k]), y(path.y[k]));
  if (part) context.lineTo(...head(path).at.map((value, axis) => (axis ? y(value) : x(value))));
  context.stroke();
  context.setLineDash([]);
  context.fillStyle = color(slot);
  for (let k = 1; k <= i; k++) {
    if (isOutside(path, k) && !isOutside(path, k - 1)) drawExit(context, x, y, path, k);
  }
}

/** A triangle where the line from the point before leaves the frame. */
function drawExit(context, x, y, path, k) {
  const [from, to] = [[path.x[k - 1], path.y[k - 1]], [path.x[k], path.y[k]]];
  let part = 1;
  for (const axis of [0, 1]) {
    const way = to[axis] - from[axis];
    if (to[axis] > 1) part = Math.min(part, (1 - from[axis]) / way);
    if (to[axis] < 0) part = Math.min(part, -from[axis] / way);
  }
  const [px, py] = [x(from[0] + part * (to[0] - from[0])), y(from[1] + part * (to[1] - from[1]))];
  context.save();
  context.translate(px, py);
  context.rotate(Math.atan2(y(to[1]) - y(from[1]), x(to[0]) - x(from[0])));
  context.beginPath();
  context.moveTo(0, 0);
  context.lineTo(-11, 5.5);
  context.lineTo(-11, -5.5);
  context.fill();
  context.restore();
}

/** The point of a path at the current step, which may be between two. */
function head(path) {
  const i = at(path, Math.floor(state.step));
  const part = i + 1 < path.x.length ? state.step - Math.floor(state.step) : 0;
  const next = Math.min(i + 1, path.x.length - 1);
  return { i, part, at: [path.x, path.y].map((v) => v[i] + part * (v[next] - v[i])) };
}

function drawHead(context, x, y, path, slot) {
  const [u, v] = head(path).at;
  context.fillStyle = color(slot);
  context.strokeStyle = ink("--ground");
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(x(u), y(v), 5, 0, 7);
  context.fill();
  context.stroke();
}

function drawChart() {
  const { context, width, height: tall } = sized($("chart"));
  if (width < 60) return;
  const [left, bottom] = [46, tall - 24];
  const lines = chosen();
  let [low, high] = [65535, 0];
  for (const { path } of lines) {
    for (const value of path.heights) {
      high = Math.max(high, value);
      low = Math.min(low, Math.max(value, 1));
    }
  }
  const power = (value) => (20 * value) / 65535 - 16 + Math.log10(surface().scale);
  let [floor, ceiling] = [Math.floor(power(low)), Math.ceil(power(high))];
  if (!(floor < ceiling)) [floor, ceiling] = [-1, 1];
  floor = Math.max(floor, ceiling - 14);
  const x = (step) => left + (step / surface().steps) * (width - left - 8);
  const y = (value) => bottom - ((Math.max(value, floor) - floor) / (ceiling - floor)) * (bottom - 20);
  context.font = "12px system-ui, sans-serif";
  context.lineWidth = 1;
  const every = Math.ceil((ceiling - floor) / 6);
  for (let mark = floor; mark <= ceiling; mark += every) {
    context.strokeStyle = ink("--line");
    context.beginPath();
    context.moveTo(left, y(mark));
    context.lineTo(width - 8, y(mark));
    context.stroke();
    context.fillStyle = ink("--faint");
    context.textAlign = "right";
    context.fillText(`1e${mark}`.replace("-", "−"), left - 6, y(mark) + 4);
  }
  context.textAlign = "left";
  context.fillText("loss above the lowest", left, 11);
  context.textAlign = "center";
  const pace = [1, 2, 5, 10, 20, 50, 100, 200].find((n) => surface().steps / n <= 7) || 500;
  for (let mark = 0; mark <= surface().steps; mark += pace) context.fillText(mark, Math.min(x(mark), width - 12), tall - 7);
  context.lineJoin = "round";
  for (const { path, slot } of lines) {
    context.strokeStyle = color(slot);
    context.lineWidth = 2;
    context.setLineDash(dash(slot));
    context.beginPath();
    path.heights.forEach((value, step) => context.lineTo(x(step), y(value ? power(value) : floor)));
    const last = path.heights[path.heights.length - 1];
    context.lineTo(x(path.count - 1), y(last ? power(last) : floor));
    context.stroke();
  }
  context.setLineDash([]);
  context.strokeStyle = ink("--ink");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x(state.step), 16);
  context.lineTo(x(state.step), bottom);
  context.stroke();
}
