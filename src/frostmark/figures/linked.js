
// ---- several maps of the same images: what is selected or pointed at in one of them is so in all

let split = 0; // the one that is shown
for (const map of own.maps) map.kept = map.kept.map(kept => kept && unpack(kept, Float32Array));

const plots = (await embed()).map((plot, m) => ({
  ...plot,
  ...own.maps[m],
  points: views.map((_, v) => rendererOf(plot, `points-${v}`)),
  names: views.map((_, v) => rendererOf(plot, `names-${v}`)),
}));
plots.forEach((plot, m) => plot.places = plot.points.map(({ data_source: { data } }) => [data[`x${m}`], data[`y${m}`]]));

const seen = (v, i) => v === split && !hidden.classes.has(views[v].labels[i]);
const sourceOf = v => plots[0].points[v].data_source; // one for all maps
const listedViews = () => [split];

function showVisible() {
  // One filter for all maps: a new list of the points that are seen is worked in once in each of them.
  plots[0].points[split].view.filter.booleans = Array.from(views[split].labels, c => !hidden.classes.has(c));
  for (const plot of plots) plot.names.forEach(showNames);
  uncover();
  leave();
  listSelection();
}

// Names lie over dots: while some are selected, the dots alone are shown.
function uncover() {
  const free = sourceOf(split).selected.indices.length === 0;
  for (const plot of plots) plot.names.forEach((names, v) => { if (names) names.visible = v === split && free; });
}

// ---- splits: one at a time

function frameOf(plot) {
  const [x, y] = plot.frames[split];
  for (const [range, [start, end]] of [[plot.view.model.x_range, x], [plot.view.model.y_range, y]])
    range.setv({ start, end, reset_start: start, reset_end: end });
}

// Where there is no room the network's name is cut, never the layer.
function titleOf(name) {
  const at = name.indexOf(" · ");
  return at < 0 ? make("span", "name", name)
    : make("span", "title", make("span", "name", name.slice(0, at)), make("span", "layer", name.slice(at)));
}

function headPlot(plot) {
  const far = plot.beyond[split] ? `${plot.beyond[split]} far outside the view` : "";
  const says = [plot.badges[split], far].filter(Boolean).join(" · ");
  const badge = make("small", "", says);
  const title = titleOf(plot.name);
  plot.section.querySelector("h2").replaceChildren(title, badge);
  title.title = plot.name;
  badge.title = says;
}

function showSplit(v) {
  split = v;
  [...element("splits").children].forEach((button, b) => pressed(button, b === v));
  for (const plot of plots) {
    plot.points.forEach((points, p) => points.visible = p === v);
    frameOf(plot);
    headPlot(plot);
  }
  showVisible();
}

function fillSplits() {
  element("splits").append(...views.map((view, v) => {
    const button = make("button", "", headline(view));
    Object.assign(button, { type: "button", title: `show ${view.split} in every map`, onclick: () => showSplit(v) });
    return button;
  }));
}

// ---- the image under the pointer, and where it is in every map

function keptLines(v, i) {
  const known = plots.filter(({ kept }) => kept[v] && !Number.isNaN(kept[v][i]));
  if (!known.length) return [];
  const lines = known.map(({ name, kept }) => {
    const title = titleOf(name);
    title.title = name;
    return make("div", "share", title, bar(kept[v][i]), make("span", "", percent(kept[v][i])));
  });
  return [make("h3", "", "neighbours kept by each map"), make("div", "kept", ...lines)];
}

function ring(v, i) {
  clearRings();
  for (const plot of plots) {
    const [xs, ys] = plot.places[v];
    const [cx, cy] = projection(plot).place(xs[i], ys[i]);
    plot.overlay.append(...["halo", "here"].map(look => svg("circle", { class: look, cx, cy, r: 9 })));
  }
}

function enter(v, i) {
  element("card").replaceChildren(portrait(v, i), ...keptLines(v, i));
  ring(v, i);
}

// The card has its place beside the maps: over them it would hide where the image is in the next one.
function placeCard() {
  element("card").hidden = false;
  element("pointed").classList.add("filled");
}

function leave() {
  current = null;
  element("card").hidden = true;
  element("pointed").classList.remove("filled");
  clearRings();
}

plots.forEach((plot, m) => {
  watch(plot, () => [[split, ...plot.places[split]]]);
  // Scrolling moves the page; who wants to zoom holds a key, or spreads two fingers, which browsers report the same way.
  plot.section.addEventListener("wheel", event => {
    leave();
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
  }, { capture: true, passive: true });
});

function guide() {
  const lines = [
    ["Draw", "around dots in one map: their images stand out in every map and are listed here"],
    ["Shift", "and draw to add to the selection; Escape clears it"],
    ["Click", "a class above to hide it in every map; double-click to show only this class"],
    ["Ctrl", "and scroll to zoom into a map; choose “move” to drag it"],
  ];
  if (plots.some(plot => plot.kept.some(kept => kept))) lines.push(
    ["Faint", "dots: that map lost most of their neighbours; do not trust their place in it"]);
  return guideOf("How to use these maps", lines);
}

views.forEach((_, v) => sourceOf(v).selected.change.connect(uncover));
fillSplits();
showSplit(0);
start();
