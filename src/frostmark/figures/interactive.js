// The page around Bokeh's plots. Everything that comes from the data set is set as text, never as HTML.

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

// ---- what the page holds

const { classes, views, groups, sheet, searchable } = read("page");
for (const view of views) {
  for (const key of ["labels", "index", "neighbours"]) view[key] = unpack(view[key], Int32Array);
  view.kept = view.kept && unpack(view.kept, Float32Array);
  view.k = view.neighbours.length / view.labels.length;
}
const present = classes.flatMap((look, c) => look ? [c] : []);
const hidden = { classes: new Set(), views: new Set() };

// ---- the plots

const drawing = read("drawing");
const roots = Object.fromEntries(drawing.roots.map((id, g) => [id, `drawing-${g}`]));
await Bokeh.embed.embed_items(
  { map: drawing.document }, [{ docid: "map", roots, root_ids: drawing.roots }]);
const plots = groups.map((members, g) => {
  const view = Bokeh.index[drawing.roots[g]];
  const named = name => view.model.renderers.find(r => r.name === name);
  members.forEach(v => views[v].points = named(`points-${v}`));
  const section = element(`plot-${g}`);
  return { members, view, names: named("names"), section, overlay: section.querySelector(".overlay") };
});
views.forEach((view, v) => {
  view.x = view.points.data_source.data.x;
  view.y = view.points.data_source.data.y;
  view.plot = plots.find(plot => plot.members.includes(v));
});

const seen = (v, i) => !hidden.views.has(v) && !hidden.classes.has(views[v].labels[i]);

function showVisible() {
  for (const view of views)
    view.points.view.filter.booleans = Array.from(view.labels, c => !hidden.classes.has(c));
  views.forEach((view, v) => view.points.visible = !hidden.views.has(v));
  for (const plot of plots) {
    if (plot.names) plot.names.view.filter.booleans =
      Array.from(plot.names.data_source.data.label, c => !hidden.classes.has(c));
    plot.section.hidden = plots.length > 1 && plot.members.every(v => hidden.views.has(v));
  }
  element("plots").style.setProperty("--plots", Math.max(1, plots.filter(p => !p.section.hidden).length));
  leave();
  listSelection();
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
  return { place: (view, i) => [ax * view.x[i] + bx, ay * view.y[i] + by], inside };
}

function nearest(plot, x, y) {
  const { place, inside } = projection(plot);
  if (!inside(x, y)) return null;
  let [best, found] = [REACH ** 2, null];
  for (const v of plot.members) {
    const view = views[v];
    for (let i = 0; i < view.labels.length; i++) {
      const [px, py] = place(view, i);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance <= best && seen(v, i)) [best, found] = [distance, [v, i]];
    }
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
  const scale = exact > 2 ? Math.floor(exact) : exact;
  const made = make("div", `image sheet-${v}-${s}${scale > 2 ? " magnified" : ""}`);
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

// ---- the card of the point under the pointer

function neighboursOf(v, i) {
  const { neighbours, k } = views[v];
  return Array.from(neighbours.subarray(i * k, i * k + k));
}

function keptLine(share) {
  const bar = make("i");
  bar.style.width = `${share * 100}%`;
  return make("div", "kept", `map keeps ${Math.round(share * 100)} % of its neighbours`, make("div", "bar", bar));
}

function neighbourFigures(v, i) {
  const other = views[v].neighboursIn;
  const figures = neighboursOf(v, i).slice(0, 10).map(n => {
    const c = views[other].labels[n];
    const caption = make("figcaption", c === views[v].labels[i] ? "" : "other", mark(c), classes[c].name);
    return make("figure", "", image(other, n, 48), caption);
  });
  return make("div", "near", ...figures);
}

function fillCard(v, i) {
  const view = views[v];
  const c = view.labels[i];
  const facts = make("div", "facts",
    make("div", "label", mark(c), nameOf(c)), make("div", "where", `${view.split} · image ${view.index[i]}`));
  if (view.kept && !Number.isNaN(view.kept[i])) facts.append(keptLine(view.kept[i]));
  const parts = [make("div", "top", image(v, i, 112), facts)];
  if (view.k) parts.push(
    make("h3", "", `most similar ${views[view.neighboursIn].split} images · red: another class`), neighbourFigures(v, i));
  element("card").replaceChildren(...parts);
}

function placeCard(x, y) {
  const card = element("card");
  card.hidden = false;
  const { width, height } = card.getBoundingClientRect();
  const left = x + 22 + width < innerWidth ? x + 22 : x - 22 - width;
  card.style.left = `${Math.max(4, left)}px`;
  card.style.top = `${Math.max(4, Math.min(y - height / 3, innerHeight - height - 4))}px`;
}

// Rings around the point and its neighbours in feature space: far rings are neighbours that the map lost.
function ring(v, i) {
  clearRings();
  const { plot } = views[v];
  const here = projection(plot).place(views[v], i);
  const other = views[v].neighboursIn;
  const there = projection(views[other].plot);
  for (const n of neighboursOf(v, i)) {
    if (!seen(other, n)) continue;
    const [x, y] = there.place(views[other], n);
    if (views[other].plot === plot) plot.overlay.append(svg("line", { x1: here[0], y1: here[1], x2: x, y2: y }));
    views[other].plot.overlay.append(svg("circle", { cx: x, cy: y, r: 6 }));
  }
  plot.overlay.append(svg("circle", { class: "here", cx: here[0], cy: here[1], r: 8 }));
}

const clearRings = () => plots.forEach(plot => plot.overlay.replaceChildren());

let current = null;

function enter(v, i) {
  if (current?.[0] === v && current[1] === i) return;
  current = [v, i];
  fillCard(v, i);
  ring(v, i);
}

function leave() {
  current = null;
  element("card").hidden = true;
  clearRings();
}

function follow(plot, event) {
  const box = plot.overlay.getBoundingClientRect();
  const dragging = event.buttons && event.pointerType === "mouse";
  const found = dragging ? null : nearest(plot, event.clientX - box.left, event.clientY - box.top);
  if (!found) return leave();
  enter(...found);
  placeCard(event.clientX, event.clientY);
}

for (const plot of plots) {
  for (const kind of ["pointermove", "pointerdown"])
    plot.section.addEventListener(kind, event => follow(plot, event), true);
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

// ---- legend and splits

function pressed(button, on) {
  button.setAttribute("aria-pressed", on);
}

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

function fillControls() {
  element("legend").append(...[...entries.values()].map(button => make("li", "", button)));
  element("all").addEventListener("click", () => setHidden([]));
  element("none").addEventListener("click", () => setHidden(present));
  const find = element("find");
  find.hidden = present.length <= searchable;
  find.addEventListener("input", () => {
    const wanted = find.value.toLowerCase();
    for (const [c, button] of entries) button.parentElement.hidden = !classes[c].name.toLowerCase().includes(wanted);
  });
  element("splits").append(...views.map(splitButton));
  for (const plot of plots)
    plot.section.querySelector("h2").textContent = plot.members.map(v => headline(views[v])).join("  +  ");
}

const headline = view => `${view.split} · ${count(view.labels.length)} images`;

function splitButton(view, v) {
  const together = view.plot.members.length > 1;
  const button = make("button", "", view.split);
  if (together) button.prepend(make("span", view.plot.members[0] === v ? "dot" : "dot edged"));
  button.type = "button";
  button.title = `hide or show ${view.split}`;
  pressed(button, true);
  button.addEventListener("click", () => {
    toggle(hidden.views, v);
    pressed(button, !hidden.views.has(v));
    showVisible();
  });
  return button;
}

// ---- the selection

const selected = v => views[v].points.data_source.selected.indices.filter(i => seen(v, i));

function guide() {
  const lines = [
    ["Point", "at a dot to see its image and the most similar images"],
    ["Draw", "around dots to list their images here"],
    ["Click", "a class above to hide it, twice for it alone"],
    ["Scroll", "to zoom; choose “move” to drag the map"],
  ];
  if (views.some(view => view.kept)) lines.push(
    ["Faint", "dots: the map lost most of their neighbours, do not trust their place"]);
  const cells = lines.flatMap(([verb, rest]) => [make("b", "", verb), make("span", "", rest)]);
  return [make("h3", "", "How to use this map"), make("div", "guide", ...cells)];
}

function countTable(chosen) {
  const head = make("tr", "", make("th", "", "class"), ...views.map(view => make("th", "", view.split)));
  const tally = chosen.map((list, v) => {
    const counts = new Map();
    for (const i of list) counts.set(views[v].labels[i], (counts.get(views[v].labels[i]) ?? 0) + 1);
    return counts;
  });
  const total = c => tally.reduce((sum, counts) => sum + (counts.get(c) ?? 0), 0);
  const found = present.filter(total).sort((a, b) => total(b) - total(a));
  const line = c => make("tr", "", make("td", "", make("div", "", mark(c), nameOf(c))),
    ...tally.map(counts => make("td", "", count(counts.get(c) ?? 0))));
  return make("div", "counts", make("table", "", head, ...found.map(line)));
}

function chosenFigure([v, i]) {
  const c = views[v].labels[i];
  const made = make("figure", "", image(v, i, 48), make("figcaption", "",
    make("span", "", classes[c].name), make("small", "", `${views[v].split} ${views[v].index[i]}`)));
  made.title = `${classes[c].name}\n${views[v].split} · image ${views[v].index[i]}`;
  Object.assign(made.dataset, { split: views[v].split, index: views[v].index[i], label: c });
  made.addEventListener("pointerenter", () => ring(v, i));
  made.addEventListener("pointerleave", clearRings);
  return made;
}

// Each split has its share of the images listed.
function firstOf(chosen, total) {
  const share = list => Math.ceil(list.length * Math.min(1, LISTED / total));
  return chosen.flatMap((list, v) => list.slice(0, share(list)).map(i => [v, i])).slice(0, LISTED);
}

function listSelection() {
  const chosen = views.map((_, v) => selected(v));
  const total = chosen.reduce((sum, list) => sum + list.length, 0);
  const panel = element("selection");
  if (!total) return panel.replaceChildren(...guide());
  const clear = make("button", "", "clear");
  Object.assign(clear, { id: "clear", type: "button", onclick: clearSelection });
  const title = make("h3", "", `${count(total)} ${total === 1 ? "image" : "images"} selected`);
  const images = make("div", "images", ...firstOf(chosen, total).map(chosenFigure));
  const more = total > LISTED ? [make("p", "more", `and ${count(total - LISTED)} more`)] : [];
  panel.replaceChildren(make("div", "head", title, clear),
    make("div", "lists", countTable(chosen), make("div", "", images, ...more)));
}

function clearSelection() {
  for (const view of views) view.points.data_source.selected.indices = [];
}

for (const view of views) view.points.data_source.selected.change.connect(listSelection);
addEventListener("keydown", event => { if (event.key === "Escape") clearSelection(); });
fillTools();
fillControls();
showVisible();
document.body.dataset.ready = "true";
