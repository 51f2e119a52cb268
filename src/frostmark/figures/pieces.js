// What the pages of maps share: Bokeh's plots, the legend, the tools, images, the list of what is selected.
// Everything that comes from the data set is set as text, never as HTML.
//
// The script of a page follows this one and defines `plots` ({view, section, overlay}), `seen(v, i)`, `sourceOf(v)`,
// `listedViews()`, `showVisible()`, `enter(v, i)`, `leave()`, `placeCard(event)`, `ring(v, i)` and `guide()`.
// A view is a split; v is its number, i that of one of its images.

const REACH = 12; // pixels from the pointer within which a point answers
const LISTED = 50; // images of a selection that are shown
const SHAPES = {
  circle: "M0-8A8 8 0 1 1 0 8A8 8 0 1 1 0-8Z",
  triangle: "M0-8L9 7H-9Z",
  square: "M-7-7H7V7H-7Z",
  square_pin: "M-8-8Q0-3 8-8Q3 0 8 8Q0 3-8 8Q-3 0-8-8Z",
  diamond: "M0-9L6.5 0L0 9L-6.5 0Z",
  plus: "M-3-8H3V-3H8V3H3V8H-3V3H-8V-3H-3Z",
  inverted_triangle: "M0 8L9-7H-9Z",
  star: "M0-9L2.4-3L9-3L3.8 1L5.6 7.5L0 3.6L-5.6 7.5L-3.8 1L-9-3L-2.4-3Z",
};

const element = id => document.getElementById(id);
const read = id => JSON.parse(element(id).textContent);
const unpack = (text, Kind) => new Kind(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
const count = n => n.toLocaleString("en");

function make(tag, look = "", ...children) {
  const made = document.createElement(tag);
  if (look) made.className = look;
  made.append(...children);
  return made;
}

function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function pressed(button, on) {
  button.setAttribute("aria-pressed", on);
}

// ---- what the page holds

const { classes, views, sheet, searchable, ...own } = read("page");
for (const view of views) for (const key of ["labels", "index"]) view[key] = unpack(view[key], Int32Array);
const present = classes.flatMap((look, c) => look ? [c] : []);
const hidden = { classes: new Set(), views: new Set() };
const headline = view => `${view.split} · ${count(view.labels.length)} images`;

// ---- the plots

// Draws them, and returns for each its view in Bokeh's sense, the section it stands in and what lies over it.
async function embed() {
  const { document: map, roots: ids } = read("drawing");
  const roots = Object.fromEntries(ids.map((id, p) => [id, `drawing-${p}`]));
  await Bokeh.embed.embed_items({ map }, [{ docid: "map", roots, root_ids: ids }]);
  return ids.map((id, p) => {
    const section = element(`plot-${p}`);
    return { view: Bokeh.index[id], section, overlay: section.querySelector(".overlay") };
  });
}

const rendererOf = (plot, name) => plot.view.model.renderers.find(r => r.name === name);

function showNames(names) {
  if (names) names.view.filter.booleans = Array.from(names.data_source.data.label, c => !hidden.classes.has(c));
}

// Where a point is in its plot's overlay. Scales are linear: two values give the line.
function projection(plot) {
  const { x_scale, y_scale } = plot.view.frame;
  const canvas = plot.view.canvas_view.el.getBoundingClientRect();
  const overlay = plot.overlay.getBoundingClientRect();
  const line = (scale, shift) => {
    const at = scale.compute(0);
    return [scale.compute(1) - at, at + shift];
  };
  const [ax, bx] = line(x_scale, canvas.left - overlay.left);
  const [ay, by] = line(y_scale, canvas.top - overlay.top);
  const { left, top, right, bottom } = plot.view.frame.bbox;
  const inside = (x, y) => {
    const [sx, sy] = [x - canvas.left + overlay.left, y - canvas.top + overlay.top];
    return sx >= left && sx <= right && sy >= top && sy <= bottom;
  };
  return { place: (x, y) => [ax * x + bx, ay * y + by], inside };
}

// The point [v, i] nearest to a place in the overlay; `drawn` lists [v, xs, ys] of what the plot shows.
function nearest(plot, drawn, x, y) {
  const { place, inside } = projection(plot);
  if (!inside(x, y)) return null;
  let [best, found] = [REACH ** 2, null];
  for (const [v, xs, ys] of drawn)
    for (let i = 0; i < xs.length; i++) {
      const [px, py] = place(xs[i], ys[i]);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance <= best && seen(v, i)) [best, found] = [distance, [v, i]];
    }
  return found;
}

// ---- pieces that show a class or an image

function mark(c) {
  return svg("svg", { class: "mark", viewBox: "-10 -10 20 20" },
    svg("path", { d: SHAPES[classes[c].mark], fill: classes[c].colour }));
}

function nameOf(c) {
  const name = make("span", "name", classes[c].name);
  name.title = classes[c].name;
  return name;
}

function image(v, i, room) {
  const size = views[v].image;
  if (!size) return "";
  const [s, place] = [Math.floor(i / sheet.holds), i % sheet.holds];
  const inSheet = Math.min(sheet.holds, views[v].labels.length - s * sheet.holds);
  const [columns, lines] = [Math.min(sheet.columns, inSheet), Math.ceil(inSheet / sheet.columns)];
  const exact = room / Math.max(size.width, size.height);
  const scale = exact >= 1 ? Math.floor(exact) : exact; // at its own size, or a whole multiple: each pixel a square
  const made = make("div", `image sheet-${v}-${s}${scale > 1 ? " magnified" : ""}`);
  const pixels = (...values) => values.map(value => `${value * scale}px`).join(" ");
  Object.assign(made.style, {
    width: pixels(size.width),
    height: pixels(size.height),
    backgroundSize: pixels(columns * size.cellWidth, lines * size.cellHeight),
    backgroundPosition: pixels(
      -(place % sheet.columns) * size.cellWidth - sheet.gutter,
      -Math.floor(place / sheet.columns) * size.cellHeight - sheet.gutter),
  });
  return made;
}

// Where an image is from: its number in the split and, where it has one, its file.
const placeOf = (v, i) => `${views[v].split} · image ${views[v].index[i]}`;
const fileOf = (v, i) => views[v].files?.[i] ?? "";

// The image with its class and where it is from; `more` stands below.
function portrait(v, i, ...more) {
  const c = views[v].labels[i];
  const file = fileOf(v, i) ? [make("div", "file", fileOf(v, i))] : [];
  const facts = make("div", "facts", make("div", "label", mark(c), nameOf(c)),
    make("div", "where", placeOf(v, i)), ...file, ...more);
  return make("div", "top", image(v, i, 112), facts);
}

function bar(share) {
  const full = make("i");
  full.style.width = `${share * 100}%`;
  return make("div", "bar", full);
}

const percent = share => `${Math.round(share * 100)}%`;

const clearRings = () => plots.forEach(plot => plot.overlay.replaceChildren());

// ---- what the pointer is at: the page's `enter(v, i)` when it comes to a point, `leave()` when it goes

let current = null;

function follow(plot, drawn, event) {
  const box = plot.overlay.getBoundingClientRect();
  const dragging = event.buttons && event.pointerType === "mouse";
  const found = dragging ? null : nearest(plot, drawn(), event.clientX - box.left, event.clientY - box.top);
  if (!found) return leave();
  if (current?.[0] !== found[0] || current[1] !== found[1]) {
    current = found;
    enter(...found);
  }
  placeCard(event);
}

function watch(plot, drawn) {
  for (const kind of ["pointermove", "pointerdown"])
    plot.section.addEventListener(kind, event => follow(plot, drawn, event), true);
  plot.section.addEventListener("pointerleave", leave);
  plot.section.addEventListener("wheel", leave, { passive: true });
}

// ---- what dragging does

function chooseTool(name) {
  for (const { view } of plots)
    for (const tool of view.model.toolbar.tools) if (tool.name) tool.active = tool.name === name;
  for (const button of document.querySelectorAll("[data-tool]")) pressed(button, button.dataset.tool === name);
}

function fillTools() {
  for (const button of document.querySelectorAll("[data-tool]"))
    button.addEventListener("click", () => chooseTool(button.dataset.tool));
  element("reset").addEventListener("click", () => plots.forEach(plot => plot.view.reset()));
  // A click gives Bokeh's canvas the focus, and the focus a frame that tells nobody anything.
  for (const { view } of plots) view.canvas_view.events_el.style.outline = "none";
  chooseTool("lasso");
}

// ---- the legend

function toggle(set, member) {
  if (!set.delete(member)) set.add(member);
}

const entries = new Map(present.map(c => {
  const button = make("button", "", mark(c), nameOf(c));
  button.type = "button";
  button.title = `${classes[c].name}\nclick: hide or show · double click: only this class`;
  button.addEventListener("click", () => { toggle(hidden.classes, c); showLegend(); });
  button.addEventListener("dblclick", () => setHidden(present.filter(other => other !== c)));
  return [c, button];
}));

function setHidden(list) {
  hidden.classes = new Set(list);
  showLegend();
}

function showLegend() {
  for (const [c, button] of entries) pressed(button, !hidden.classes.has(c));
  showVisible();
}

function fillLegend() {
  element("legend").append(...[...entries.values()].map(button => make("li", "", button)));
  element("all").addEventListener("click", () => setHidden([]));
  element("none").addEventListener("click", () => setHidden(present));
  const find = element("find");
  find.hidden = present.length <= searchable;
  find.addEventListener("input", () => {
    const wanted = find.value.toLowerCase();
    for (const [c, button] of entries) button.parentElement.hidden = !classes[c].name.toLowerCase().includes(wanted);
  });
}

// ---- the selection

const selected = v => sourceOf(v).selected.indices.filter(i => seen(v, i));

function guideOf(title, lines) {
  const cells = lines.flatMap(([verb, rest]) => [make("b", "", verb), make("span", "", rest)]);
  return [make("h3", "", title), make("div", "guide", ...cells)];
}

function tally(v, list) {
  const counts = new Map();
  for (const i of list) counts.set(views[v].labels[i], (counts.get(views[v].labels[i]) ?? 0) + 1);
  return counts;
}

function countTable(chosen) {
  const head = make("tr", "", make("th", "", "class"), ...chosen.map(([v]) => make("th", "", views[v].split)));
  const tallies = chosen.map(([v, list]) => tally(v, list));
  const total = c => tallies.reduce((sum, counts) => sum + (counts.get(c) ?? 0), 0);
  const found = present.filter(total).sort((a, b) => total(b) - total(a));
  const line = c => make("tr", "", make("td", "", make("div", "", mark(c), nameOf(c))),
    ...tallies.map(counts => make("td", "", count(counts.get(c) ?? 0))));
  return make("div", "counts", make("table", "", head, ...found.map(line)));
}

function chosenFigure([v, i]) {
  const [c, file] = [views[v].labels[i], fileOf(v, i)];
  const short = file ? file.split("/").at(-1) : `${views[v].split} ${views[v].index[i]}`;
  const made = make("figure", "", image(v, i, 48), make("figcaption", "",
    make("span", "", classes[c].name), make("small", "", short)));
  made.title = [classes[c].name, placeOf(v, i), file].filter(Boolean).join("\n");
  Object.assign(made.dataset, { split: views[v].split, index: views[v].index[i], label: c });
  made.addEventListener("pointerenter", () => ring(v, i));
  made.addEventListener("pointerleave", clearRings);
  return made;
}

// Each split has its share of the images listed.
function firstOf(chosen, total) {
  const share = list => Math.ceil(list.length * Math.min(1, LISTED / total));
  return chosen.flatMap(([v, list]) => list.slice(0, share(list)).map(i => [v, i])).slice(0, LISTED);
}

function listSelection() {
  const chosen = listedViews().map(v => [v, selected(v)]);
  const total = chosen.reduce((sum, [, list]) => sum + list.length, 0);
  const panel = element("selection");
  if (!total) return panel.replaceChildren(...guide());
  const clear = action("clear", "clear", "clear the selection", clearSelection);
  const copy = action("copy", "copy", "copy the list of all selected images", () => copyList(chosen));
  const save = action("save", "download", "download the list of all selected images", () => saveList(chosen));
  const title = make("h3", "", `${count(total)} ${total === 1 ? "image" : "images"} selected`);
  const images = make("div", "images", ...firstOf(chosen, total).map(chosenFigure));
  const more = total > LISTED ? [make("p", "more", `and ${count(total - LISTED)} more`)] : [];
  panel.replaceChildren(make("div", "head", title, make("div", "actions", copy, ...(confined ? [] : [save]), clear)),
    make("div", "lists", countTable(chosen), make("div", "", images, ...more)));
}

// A frame that may only run scripts, as MLflow's, may not save files.
const confined = window !== top && self.origin === "null";

function action(id, text, title, onclick) {
  return Object.assign(make("button", "", text), { id, title, type: "button", onclick });
}

// All selected images as lines of cells, not only those that are shown.
function linesOf(chosen) {
  const named = views.some(view => view.files);
  const line = ([v, i]) => [views[v].split, views[v].index[i], ...(named ? [fileOf(v, i)] : []), classes[views[v].labels[i]].name];
  const head = ["split", "image", ...(named ? ["file"] : []), "class"];
  return [head, ...chosen.flatMap(([v, list]) => list.map(i => line([v, i])))];
}

// No name becomes a formula in a spreadsheet, nor a line or a column of its own.
function csvOf(lines, between) {
  const cell = value => {
    const text = /^[=+\-@\t\r\n＝＋－＠']/.test(value) ? `'${value}` : `${value}`;
    return /["\t\r\n,]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return lines.map(line => line.map(cell).join(between)).join("\n") + "\n";
}

// The page may stand in a frame that gets no clipboard: what is marked and copied works there, too.
function copyList(chosen) {
  const area = Object.assign(make("textarea"), { value: csvOf(linesOf(chosen), "\t") });
  area.style.cssText = "position: fixed; opacity: 0";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  element("copy").textContent = done ? "copied" : "not allowed here";
}

function saveList(chosen) {
  const address = URL.createObjectURL(new Blob([csvOf(linesOf(chosen), ",")], { type: "text/csv" }));
  Object.assign(make("a"), { href: address, download: "selected_images.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function clearSelection() {
  views.forEach((_, v) => sourceOf(v).selected.indices = []);
}

function start() {
  views.forEach((_, v) => sourceOf(v).selected.change.connect(listSelection));
  addEventListener("keydown", event => { if (event.key === "Escape") clearSelection(); });
  fillTools();
  fillLegend();
  document.body.dataset.ready = "true";
}
