// The surface in 3-D: cells from the farthest to the nearest, and the lines above them.

const CELLS = [44, 32];
const TILT = 0.9; // radians above the horizon
let mesh = null;

/** A height between 0 and 1, for the eye. */
const lifted = (code) => Math.min(height(code), 1) ** 0.4;

function solidMesh() {
  const [columns, rows] = CELLS;
  const z = [];
  for (let j = 0; j <= rows; j++) {
    for (let i = 0; i <= columns; i++) z.push(lifted(code(i / columns, j / rows)));
  }
  return z;
}

/** From fractions of the frame and a height to the canvas, and how far away that is. */
function camera(width, size) {
  const angle = (state.turn * Math.PI) / 180;
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const flat = (u, v, z) => {
    const [x, y] = [1.375 * (u - 0.5), v - 0.5];
    const [right, away] = [cos * x - sin * y, sin * x + cos * y];
    const up = Math.sin(TILT) * away + Math.cos(TILT) * (z - 0.35);
    const depth = Math.cos(TILT) * away - Math.sin(TILT) * z;
    const near = 1 / (1 + 0.25 * depth);
    return [near * right, -near * up, depth];
  };
  // It fills the canvas, however it is turned.
  const [left, top, most, bottom] = mesh.reduce(([a, b, c, d], z, k) => {
    const [x, y] = flat((k % (CELLS[0] + 1)) / CELLS[0], Math.floor(k / (CELLS[0] + 1)) / CELLS[1], z);
    return [Math.min(a, x), Math.min(b, y), Math.max(c, x), Math.max(d, y)];
  }, [Infinity, Infinity, -Infinity, -Infinity]);
  const scale = 0.94 * Math.min(width / (most - left), size / (bottom - top));
  return (u, v, z) => {
    const [x, y, depth] = flat(u, v, z);
    return [width / 2 + scale * (x - (left + most) / 2), size / 2 + scale * (y - (top + bottom) / 2), depth];
  };
}

function drawSolid(context, width, size) {
  const [columns, rows] = CELLS;
  mesh ??= solidMesh();
  const place = camera(width, size);
  const nodes = mesh.map((z, k) => place((k % (columns + 1)) / columns, Math.floor(k / (columns + 1)) / rows, z));
  const cells = [];
  for (let j = 0; j < rows; j++) {
    for (let i = 0; i < columns; i++) {
      const k = j * (columns + 1) + i;
      const corners = [k, k + 1, k + columns + 2, k + columns + 1];
      cells.push({ corners, depth: corners.reduce((sum, c) => sum + nodes[c][2], 0) });
    }
  }
  cells.sort((a, b) => b.depth - a.depth);
  const dark = theme() === "dark";
  const { levels } = surface();
  context.lineJoin = context.lineCap = "round";
  context.lineWidth = 0.7;
  for (const { corners } of cells) {
    const [a, b, c, d] = corners.map((k) => mesh[k]);
    const middle = corners[0];
    const value = code(((middle % (columns + 1)) + 0.5) / columns, (Math.floor(middle / (columns + 1)) + 0.5) / rows);
    const band = levels.filter((level) => level <= value).length;
    // The light comes from the left.
    const slope = ((b - a + c - d) / 2) * columns;
    const light = 14 * Math.max(Math.min(slope / 3, 1), -1);
    const gray = Math.round(dark ? 40 + 4 * band - light : 246 - 6.5 * band - light);
    context.fillStyle = `rgb(${gray} ${gray} ${gray + (dark ? 4 : 0)})`;
    context.strokeStyle = dark ? `rgb(${gray + 22} ${gray + 22} ${gray + 26})` : `rgb(${gray - 26} ${gray - 26} ${gray - 26})`;
    context.beginPath();
    corners.forEach((k) => context.lineTo(nodes[k][0], nodes[k][1]));
    context.closePath();
    context.fill();
    context.stroke();
  }
  const above = (u, v) => place(u, v, lifted(code(u, v)) + 0.012);
  const lines = chosen();
  for (const { path, slot } of lines) {
    const { i } = head(path);
    context.strokeStyle = color(slot);
    context.lineWidth = 2.4;
    context.setLineDash(dash(slot));
    context.beginPath();
    let before = null;
    for (let k = 0; k <= i; k++) {
      const [u, v] = [path.x[k], path.y[k]];
      if (isOutside(path, k)) { before = null; continue; }
      if (!before) context.moveTo(...above(u, v).slice(0, 2));
      // A long step follows the ground between its ends.
      else for (let t = 1; t <= 8; t++) context.lineTo(...above(before[0] + (t / 8) * (u - before[0]), before[1] + (t / 8) * (v - before[1])).slice(0, 2));
      before = [u, v];
    }
    context.stroke();
    context.setLineDash([]);
  }
  for (const { path, slot } of lines) {
    const [u, v] = head(path).at;
    if (u < 0 || u > 1 || v < 0 || v > 1) continue;
    const [x, y] = above(u, v);
    context.fillStyle = color(slot);
    context.strokeStyle = ink("--ground");
    context.lineWidth = 1.5;
    context.beginPath();
    context.arc(x, y, 5, 0, 7);
    context.fill();
    context.stroke();
  }
  context.strokeStyle = ink("--ink");
  context.lineWidth = 2;
  for (const [u, v] of surface().minima.map(fractions)) {
    const [x, y] = above(u, v);
    context.beginPath();
    context.moveTo(x - 7, y);
    context.lineTo(x + 7, y);
    context.moveTo(x, y - 7);
    context.lineTo(x, y + 7);
    context.stroke();
  }
  const [x, y] = above(...fractions(begin()));
  context.lineWidth = 2.5;
  context.beginPath();
  context.arc(x, y, 9, 0, 7);
  context.stroke();
}
