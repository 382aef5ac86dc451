// The map of covers: tiles below, colours above, on one canvas. Places are in cells of the grid of items.
const $ = (id) => document.getElementById(id);
const atlas = JSON.parse($("map").dataset.atlas);
const canvas = $("canvas"), pen = canvas.getContext("2d");
const view = { x: atlas.side / 2, y: atlas.side / 2, scale: 1 }; // the middle, and pixels of a cell
const SCALES = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"]; // viridis
const GROUPS = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948",
  "#76b7b2", "#ff9da7", "#9c755f", "#d4a6c8", "#8cd17d", "#a0cbe8"];
const NONE = 255, GREY = "#8a8a8a", TILES = 256; // tiles in memory
const tiles = new Map(); // by address, the latest last
let cells = null, values = [], grid = null, sheet = null, colours = [], marks = [], drawing = false, listing = 0;

const colour = () => Number($("colour").value);
const ratio = () => window.devicePixelRatio || 1;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const whole = () => Math.min(canvas.clientWidth, canvas.clientHeight) / atlas.side;
const toCell = (px, py) => [
  view.x + (px - canvas.clientWidth / 2) / view.scale, view.y + (py - canvas.clientHeight / 2) / view.scale];
const toPixel = (x, y) => [
  (x - view.x) * view.scale + canvas.clientWidth / 2, (y - view.y) * view.scale + canvas.clientHeight / 2];

// --- drawing -----------------------------------------------------------------------------------------------

function level() { // whose tiles are about as large on the screen as they are
  const wanted = Math.log2((atlas.side * view.scale * ratio()) / atlas.pixels);
  return clamp(Math.round(wanted), 0, atlas.levels - 1);
}

const places = () => Math.min(8 * 2 ** level(), atlas.side); // of covers, along a side of the map
const single = () => places() === atlas.side; // every item is shown, so that its colour can be a frame

function tile(z, x, y, load) {
  const address = `${atlas.tile}&z=${z}&x=${x}&y=${y}`;
  let found = tiles.get(address);
  if (found) {
    tiles.delete(address);
  } else if (load) {
    found = new Image();
    found.onload = found.onerror = draw;
    found.src = address;
  } else return null;
  tiles.set(address, found);
  if (tiles.size > TILES) tiles.delete(tiles.keys().next().value);
  return found;
}

const isThere = (image) => image && image.complete && image.naturalWidth > 0;

function drawTile(z, x, y) { // or, until it is there, the part of a coarser one; whether nothing is missing
  const size = atlas.side / 2 ** z, [left, top] = toPixel(x * size, y * size), edge = size * view.scale;
  const own = tile(z, x, y, true);
  for (let up = 0; up <= z; up++) {
    const image = up ? tile(z - up, x >> up, y >> up, false) : own;
    if (!isThere(image)) continue;
    const part = atlas.pixels / 2 ** up, mask = 2 ** up - 1;
    pen.drawImage(image, (x & mask) * part, (y & mask) * part, part, part, left, top, edge, edge);
    break;
  }
  return own.complete;
}

function drawTiles() {
  const z = level(), count = 2 ** z, size = atlas.side / count;
  const [left, top] = toCell(0, 0), [right, bottom] = toCell(canvas.clientWidth, canvas.clientHeight);
  let done = true;
  for (let y = Math.max(0, Math.floor(top / size)); y < Math.min(count, bottom / size); y++)
    for (let x = Math.max(0, Math.floor(left / size)); x < Math.min(count, right / size); x++)
      done = drawTile(z, x, y) && done;
  return done;
}

function drawColours() {
  if (colour() < 0 || !sheet) return;
  if (!single()) {
    const [left, top] = toPixel(0, 0), edge = atlas.side * view.scale;
    pen.imageSmoothingEnabled = false;
    pen.drawImage(sheet, left, top, edge, edge);
    pen.imageSmoothingEnabled = true;
    return;
  }
  pen.lineWidth = clamp(view.scale / 12, 2, 8);
  const inset = pen.lineWidth / 2;
  for (const item of visible()) {
    const [x, y] = toPixel(cells[2 * item], cells[2 * item + 1]);
    pen.strokeStyle = colours[item];
    pen.strokeRect(x + inset, y + inset, view.scale - 2 * inset, view.scale - 2 * inset);
  }
}

function* visible() { // rows of the items on the screen
  const [left, top] = toCell(0, 0), [right, bottom] = toCell(canvas.clientWidth, canvas.clientHeight);
  for (let y = Math.max(0, Math.floor(top)); y < Math.min(atlas.side, bottom); y++)
    for (let x = Math.max(0, Math.floor(left)); x < Math.min(atlas.side, right); x++)
      if (grid[y * atlas.side + x]) yield grid[y * atlas.side + x] - 1;
}

function drawMarks() {
  pen.lineWidth = 3;
  pen.strokeStyle = getComputedStyle(canvas).color;
  for (const { x, y } of marks) {
    const edge = Math.max(view.scale, 14), [px, py] = toPixel(x + 0.5, y + 0.5);
    pen.strokeRect(px - edge / 2, py - edge / 2, edge, edge);
  }
  if (!canvas.matches(":focus-visible")) return;
  const [px, py] = nearest() || [canvas.clientWidth / 2, canvas.clientHeight / 2]; // what Enter opens
  pen.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    pen.moveTo(px + 5 * dx, py + 5 * dy);
    pen.lineTo(px + 13 * dx, py + 13 * dy);
  }
  pen.stroke();
}

function paint() {
  drawing = false;
  const wide = Math.round(canvas.clientWidth * ratio()), high = Math.round(canvas.clientHeight * ratio());
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  pen.setTransform(ratio(), 0, 0, ratio(), 0, 0);
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  pen.globalAlpha = colour() >= 0 && sheet && !single() ? 0.2 : 1;
  const done = drawTiles();
  pen.globalAlpha = 1;
  drawColours();
  drawMarks();
  if (done && !canvas.dataset.painted) canvas.dataset.painted = Math.round(performance.now()); // ms
}

function draw() {
  if (!drawing) requestAnimationFrame(paint);
  drawing = true;
}

// --- colours -----------------------------------------------------------------------------------------------

function mixed(share) {
  const place = share * (SCALES.length - 1), low = Math.min(Math.floor(place), SCALES.length - 2);
  const parts = [1, 3, 5].map((at) => {
    const [a, b] = [low, low + 1].map((n) => parseInt(SCALES[n].slice(at, at + 2), 16));
    return Math.round(a + (b - a) * (place - low));
  });
  return `rgb(${parts.join(" ")})`;
}

function recolour() {
  const layer = atlas.layers[colour()];
  showLegend(layer);
  if (layer && cells) {
    const table = Array.from({ length: 256 }, (_, n) => (layer.groups ? GROUPS[n % GROUPS.length] : mixed(n / 254)));
    if (!layer.groups) table[NONE] = GREY;
    colours = Array.from(values[colour()], (n) => table[n]);
    sheet = document.createElement("canvas");
    sheet.width = sheet.height = atlas.side;
    const brush = sheet.getContext("2d");
    colours.forEach((each, item) => {
      brush.fillStyle = each;
      brush.fillRect(cells[2 * item], cells[2 * item + 1], 1, 1);
    });
  }
  draw();
}

function showLegend(layer) {
  const legend = $("legend"), add = (text, back) => {
    const part = legend.appendChild(document.createElement("span"));
    part.textContent = text;
    if (back) part.className = "map-key";
    if (back) part.style.background = back;
  };
  legend.replaceChildren();
  if (!layer) return;
  if (layer.groups) for (let n = 0; n < layer.groups; n++) add(n + 1, GROUPS[n % GROUPS.length]);
  else {
    add(layer.low);
    add("", `linear-gradient(90deg, ${SCALES.join(", ")})`);
    legend.lastChild.classList.add("map-scale");
    add(layer.high);
    if (values.length && values[colour()].includes(NONE)) add("none", GREY);
  }
  add(layer.about);
  legend.lastChild.className = "note";
}

async function loadPoints() {
  const buffer = await (await fetch(atlas.points)).arrayBuffer();
  cells = new Uint16Array(buffer, 0, 2 * atlas.items);
  values = atlas.layers.map((_, n) => new Uint8Array(buffer, (4 + n) * atlas.items, atlas.items));
  grid = new Int32Array(atlas.side * atlas.side);
  for (let item = 0; item < atlas.items; item++) grid[cells[2 * item + 1] * atlas.side + cells[2 * item]] = item + 1;
  recolour();
}

// --- moving ------------------------------------------------------------------------------------------------

function moved() {
  view.x = clamp(view.x, 0, atlas.side);
  view.y = clamp(view.y, 0, atlas.side);
  draw();
  clearTimeout(listing);
  listing = setTimeout(list, 250);
}

function zoom(factor, px = canvas.clientWidth / 2, py = canvas.clientHeight / 2) {
  const [x, y] = toCell(px, py);
  view.scale = clamp(view.scale * factor, whole() * 0.8, Math.max(whole(), 256));
  view.x = x - (px - canvas.clientWidth / 2) / view.scale;
  view.y = y - (py - canvas.clientHeight / 2) / view.scale;
  moved();
}

function zoomMiddle(factor) { // about the item that is nearest to the middle: there may be a void
  zoom(factor, ...(nearest() || []));
}

function pan(dx, dy) {
  view.x -= dx / view.scale;
  view.y -= dy / view.scale;
  moved();
}

function showWhole() {
  Object.assign(view, { x: atlas.side / 2, y: atlas.side / 2, scale: whole() });
  marks = [];
  moved();
}

const pointers = new Map();
let travelled = 0;
const at = (event) => [event.offsetX, event.offsetY];
const spread = (points) => Math.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1]);
const middle = (points) => [0, 1].map((n) => points.reduce((sum, each) => sum + each[n], 0) / points.length);

canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  if (!pointers.size) travelled = 0;
  pointers.set(event.pointerId, at(event));
});
canvas.addEventListener("pointermove", (event) => {
  if (!pointers.has(event.pointerId)) return point(...at(event));
  const before = [...pointers.values()];
  pointers.set(event.pointerId, at(event));
  const after = [...pointers.values()], [from, to] = [middle(before), middle(after)];
  travelled += Math.hypot(to[0] - from[0], to[1] - from[1]) + (after.length > 1 ? 9 : 0);
  pan(to[0] - from[0], to[1] - from[1]);
  if (after.length > 1) zoom(spread(after) / Math.max(1, spread(before)), ...to);
});
canvas.addEventListener("pointerup", (event) => {
  if (pointers.delete(event.pointerId) && travelled < 6) open(...at(event));
});
canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const lines = event.deltaMode ? 30 : 1; // Firefox may count lines
  zoom(2 ** clamp((-event.deltaY * lines) / 250, -1, 1), ...at(event));
}, { passive: false });
canvas.addEventListener("keydown", (event) => {
  const far = canvas.clientHeight / 4, keys = {
    ArrowLeft: () => pan(far, 0), ArrowRight: () => pan(-far, 0),
    ArrowUp: () => pan(0, far), ArrowDown: () => pan(0, -far),
    "+": () => zoomMiddle(1.5), "=": () => zoomMiddle(1.5), "-": () => zoomMiddle(1 / 1.5), 0: showWhole,
    Enter: () => nearest() && open(...nearest()),
  };
  if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  keys[event.key]();
  pointMiddle();
});
for (const change of ["focus", "blur"]) canvas.addEventListener(change, draw);
$("closer").addEventListener("click", () => zoomMiddle(2));
$("farther").addEventListener("click", () => zoomMiddle(0.5));
$("whole").addEventListener("click", showWhole);
$("colour").addEventListener("change", recolour);
new ResizeObserver(draw).observe(canvas);

// --- items -------------------------------------------------------------------------------------------------

function square(px, py) { // the cells whose place on the drawn level is at a pixel
  const size = atlas.side / places();
  const [x, y] = toCell(px, py).map((each) => Math.floor(each / size) * size);
  return [x, y, x + size, y + size];
}

async function within(left, top, right, bottom) {
  const [a, b, c, d] = [left, top, right, bottom].map(Math.floor);
  const answer = await fetch(`${atlas.list}&left=${a}&top=${b}&right=${c}&bottom=${d}`);
  return answer.ok ? answer.json() : { count: 0, items: [] };
}

async function open(px, py) {
  const { items } = await within(...square(px, py));
  if (items.length) location.href = items[0].href;
}

function nearest() { // the pixel of the item on the screen that is nearest to the middle
  let least = Infinity, best = null;
  for (let item = 0; cells && item < atlas.items; item++) {
    const dx = cells[2 * item] + 0.5 - view.x, dy = cells[2 * item + 1] + 0.5 - view.y, far = dx * dx + dy * dy;
    if (far < least) [least, best] = [far, item];
  }
  if (best === null) return null;
  const [x, y] = toPixel(cells[2 * best] + 0.5, cells[2 * best + 1] + 0.5);
  return x >= 0 && y >= 0 && x < canvas.clientWidth && y < canvas.clientHeight ? [x, y] : null;
}

function pointMiddle() {
  const place = nearest();
  if (place) point(...place);
}

let asked = 0, pointedAt = "";
async function point(px, py) { // names the cover below the pointer
  const where = square(px, py), key = where.join();
  if (key === pointedAt) return;
  pointedAt = key;
  const mine = ++asked;
  await new Promise((later) => setTimeout(later, 80));
  if (mine !== asked) return;
  const { items } = await within(...where);
  if (mine !== asked) return;
  $("pointed").textContent = items.length ? items[0].title : "\u00a0";
  canvas.style.cursor = items.length ? "pointer" : "grab";
}

function show({ count, items }, heading) {
  $("listed").firstChild.textContent = `${heading} `;
  $("count").textContent = `${items.length.toLocaleString("en")} of ${count.toLocaleString("en")}`;
  $("list").replaceChildren(...items.map((item) => {
    const line = document.createElement("li"), link = line.appendChild(document.createElement("a"));
    Object.assign(link, { href: item.href, dir: "auto", textContent: item.title.slice(0, 120) });
    return line;
  }));
}

async function list() {
  const [left, top] = toCell(0, 0), [right, bottom] = toCell(canvas.clientWidth, canvas.clientHeight);
  const found = await within(left, top, right + 1, bottom + 1);
  if (!marks.length) show(found, "Items on this part of the map");
}

async function find() {
  const answer = await fetch(`${atlas.find}&text=${encodeURIComponent($("text").value)}`);
  if (!answer.ok) return;
  const found = await answer.json();
  const exact = found.items.filter((item) => item.id === $("text").value.trim());
  marks = exact.length ? exact : found.items;
  show({ ...found, count: found.items.length }, "Found");
  if (marks.length) Object.assign(view, { x: marks[0].x + 0.5, y: marks[0].y + 0.5, scale: Math.max(view.scale, 48) });
  draw();
}

$("seek").addEventListener("submit", (event) => {
  event.preventDefault();
  if ($("text").value.trim()) find();
  else showWhole();
});

$("map").hidden = false;
view.scale = whole();
draw();
loadPoints();
if ($("text").value) find();
