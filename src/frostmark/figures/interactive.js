
// ---- one map: the splits in it, and the images that its network finds alike

for (const view of views) {
  view.neighbours = unpack(view.neighbours, Int32Array);
  view.kept = view.kept && unpack(view.kept, Float32Array);
  view.k = view.neighbours.length / view.labels.length;
}

const plots = (await embed()).map((plot, p) => ({ ...plot, members: own.groups[p], names: rendererOf(plot, "names") }));
views.forEach((view, v) => {
  view.plot = plots.find(plot => plot.members.includes(v));
  view.points = rendererOf(view.plot, `points-${v}`);
  view.x = view.points.data_source.data.x;
  view.y = view.points.data_source.data.y;
});

const seen = (v, i) => !hidden.views.has(v) && !hidden.classes.has(views[v].labels[i]);
const sourceOf = v => views[v].points.data_source;
const listedViews = () => views.map((_, v) => v);

function showVisible() {
  for (const view of views)
    view.points.view.filter.booleans = Array.from(view.labels, c => !hidden.classes.has(c));
  views.forEach((view, v) => view.points.visible = !hidden.views.has(v));
  for (const plot of plots) {
    showNames(plot.names);
    plot.section.hidden = plots.length > 1 && plot.members.every(v => hidden.views.has(v));
  }
  element("plots").style.setProperty("--plots", Math.max(1, plots.filter(p => !p.section.hidden).length));
  leave();
  listSelection();
}

// ---- the card of the point under the pointer

function neighboursOf(v, i) {
  const { neighbours, k } = views[v];
  return Array.from(neighbours.subarray(i * k, i * k + k));
}

function keptLine(share) {
  return make("div", "kept", `map keeps ${percent(share)} of its neighbours`, bar(share));
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
  const kept = view.kept && !Number.isNaN(view.kept[i]) ? [keptLine(view.kept[i])] : [];
  const parts = [portrait(v, i, ...kept)];
  if (view.k) parts.push(
    make("h3", "", `most similar ${views[view.neighboursIn].split} images · red: another class`), neighbourFigures(v, i));
  element("card").replaceChildren(...parts);
}

function placeCard({ clientX: x, clientY: y }) {
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
  const here = projection(plot).place(views[v].x[i], views[v].y[i]);
  const other = views[v].neighboursIn;
  const there = projection(views[other].plot);
  for (const n of neighboursOf(v, i)) {
    if (!seen(other, n)) continue;
    const [x, y] = there.place(views[other].x[n], views[other].y[n]);
    if (views[other].plot === plot) plot.overlay.append(svg("line", { x1: here[0], y1: here[1], x2: x, y2: y }));
    views[other].plot.overlay.append(svg("circle", { cx: x, cy: y, r: 6 }));
  }
  plot.overlay.append(svg("circle", { class: "here", cx: here[0], cy: here[1], r: 8 }));
}

function enter(v, i) {
  fillCard(v, i);
  ring(v, i);
}

function leave() {
  current = null;
  element("card").hidden = true;
  clearRings();
}

for (const plot of plots) watch(plot, () => plot.members.map(v => [v, views[v].x, views[v].y]));

// ---- splits

function fillSplits() {
  element("splits").append(...views.map(splitButton));
  plots.forEach((plot, p) => {
    const far = own.beyond[p] ? ` · ${own.beyond[p]} far outside the view: scroll to zoom out` : "";
    plot.section.querySelector("h2").textContent = plot.members.map(v => headline(views[v])).join("  +  ") + far;
  });
}

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

function guide() {
  const lines = [
    ["Point", "at a dot to see its image and the most similar images"],
    ["Draw", "around dots to list their images here"],
    ["Click", "a class above to hide it; double-click to show only this class"],
    ["Scroll", "to zoom; choose “move” to drag the map"],
  ];
  if (views.some(view => view.kept)) lines.push(
    ["Faint", "dots: the map lost most of their neighbours; do not trust their place"]);
  return guideOf("How to use this map", lines);
}

fillSplits();
showVisible();
start();
