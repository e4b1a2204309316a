// The picture of the notes: each a point, near ones about the same. What the daemon's map says, on a canvas.

import { get } from "/ask.js";
import { Canvas } from "/canvas.js";
import { grouped, MOST, onScheme, palette } from "/colours.js";
import { $, el, hear, keyOf, many, number, painted, tell, titleOf } from "/dom.js";

const AGAIN_MS = 1500, PATIENCE_S = 20;
const canvas = new Canvas($("canvas"), $("above"));
let pictures = [], notes = [], index = null, groups = [], lit = null, waiting = 0, shown = "";

/** Ask for the pictures; with `wait_s`, once those that are being made are, or time is up. */
async function load(wait_s = 0) {
  clearTimeout(waiting);
  try {
    pictures = (await get(wait_s ? `/v1/map?wait_s=${wait_s}` : "/v1/map")).pictures;
  } catch (error) {
    if (error.status === 404) document.body.classList.add("pictureless"); // the list has it all
    else if (error.status !== undefined && error.status !== 403) state(`${error.message}. ${error.hint ?? ""}`);
    return;
  }
  document.body.classList.remove("pictureless");
  for (const one of pictures) for (const note of one.notes) note.store = one.store;
  const names = pictures.map((one) => (pictures.filter((other) => other.store === one.store).length > 1 ? `${one.store} ${one.space.slice(0, 4)}` : one.store));
  $("which-label").hidden = pictures.length < 2;
  const chosen = Math.max(0, $("which").selectedIndex);
  $("which").replaceChildren(...names.map((name, at) => el("option", { value: at, selected: at === chosen }, name)));
  const all = pictures.every((one) => one.state !== "computing" && !one.without);
  draw();
  if (pictures.some((one) => one.state === "computing")) waiting = setTimeout(load, 100, PATIENCE_S);
  await painted(); // what is listed takes longer than the picture
  tell("drawn", { notes: pictures.flatMap((one) => one.notes), all });
}

/** Which of the picture's notes has this key. */
function numberOf(key) {
  index ??= new Map(notes.map((note, at) => [keyOf(note), at]));
  return index.get(key);
}

function state(text) {
  $("picture-state").textContent = text;
  $("picture-state").hidden = !text;
}

function draw() {
  const picture = pictures[Math.max(0, $("which").selectedIndex)];
  notes = picture?.notes ?? [];
  index = null;
  const of = grouped(notes, $("colour").value);
  groups = of.groups;
  canvas.set({
    x: Float32Array.from(notes, (note) => note.x), y: Float32Array.from(notes, (note) => -note.y), colour: of.of,
    titles: notes.map(titleOf), links: Uint32Array.from((picture?.links ?? []).flat()),
    regions: (picture?.regions ?? []).map((one) => ({ ...one, y: -one.y })).sort((a, b) => b.notes - a.notes),
  });
  legend();
  if (shown !== picture?.store + picture?.space) canvas.fit();
  shown = picture?.store + picture?.space;
  light(lit);
  const without = picture?.without ? `; ${many(picture.without, "note")} without a place yet` : "";
  $("canvas").setAttribute("aria-label", `Picture of ${many(notes.length, "note")}${without}`);
  if (notes.length) state("");
  else if (picture?.reason) state(`The picture could not be made: ${picture.reason.replaceAll("_", " ")}.`);
  else if (picture?.words_alone) state("This store keeps words alone: it has no vectors to place its notes by.");
  else state(picture?.state === "computing" ? "The picture is being made…" : "Here will be a picture of the notes, once there are some.");
}

function legend() {
  const by = $("colour").value, rest = notes.length - groups.reduce((sum, one) => sum + one.count, 0);
  const sources = (name) => [...new Set(notes.filter((note) => note.folder.split("/")[0] === name).map((note) => note.source))];
  const swatch = (at) => {
    const made = el("span", { class: "swatch", "aria-hidden": "true" });
    made.style.background = palette()[at];
    return made;
  };
  const rows = groups.map(({ name, count }, at) => el("li", {}, el("button", {
    type: "button", title: `Only ${name}`,
    onclick: () => tell("filter", by === "tag" ? { kind: "tag", name } : { kind: "folder", name, sources: sources(name) }),
  }, swatch(at), `${name} `, el("small", {}, number(count)))));
  if (rest > 0 && groups.length) rows.push(el("li", {}, swatch(MOST), `${by === "tag" ? "other, or no tag" : "elsewhere"} `, el("small", {}, number(rest))));
  $("legend").replaceChildren(...rows);
}

function light(keys) {
  lit = keys;
  const found = keys?.map((key) => numberOf(key)).filter((at) => at !== undefined);
  canvas.light(found ? new Map(found.map((at, rank) => [at, rank])) : null);
}

function hover(at, tips) {
  if (canvas.hovered !== at) {
    canvas.hovered = at;
    canvas.again();
  }
  $("tip").hidden = at < 0 || !tips;
  $("canvas").classList.toggle("over", at >= 0);
  if (at < 0 || !tips) return;
  const [x, y] = canvas.at(canvas.points.x[at], canvas.points.y[at]);
  $("tip").replaceChildren(el("strong", {}, titleOf(notes[at])), el("small", {}, notes[at].path));
  $("tip").style.left = `${Math.min(Math.max(4, x + 12), Math.max(4, canvas.width - $("tip").offsetWidth - 4))}px`;
  $("tip").style.top = `${y + 14 + $("tip").offsetHeight > canvas.height ? y - 14 - $("tip").offsetHeight : y + 14}px`;
}

const pointers = new Map();
let dragged = 0;

function place(event) {
  const box = $("canvas").getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function down(event) {
  $("canvas").setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, place(event));
  dragged = 0;
}

function drag(event) {
  const now = place(event), before = pointers.get(event.pointerId);
  if (!before) return hover(canvas.near(...now), true);
  pointers.set(event.pointerId, now);
  const others = [...pointers].filter(([id]) => id !== event.pointerId);
  dragged += Math.hypot(now[0] - before[0], now[1] - before[1]);
  if (others.length) {
    const [[, other]] = others;
    const apart = (one) => Math.max(10, Math.hypot(one[0] - other[0], one[1] - other[1]));
    canvas.zoom(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  } else if (dragged > 4) {
    hover(-1);
    canvas.move(now[0] - before[0], now[1] - before[1]);
  }
  return undefined;
}

function up(event) {
  if (!pointers.delete(event.pointerId) || event.type !== "pointerup" || dragged > 4) return;
  const at = canvas.near(...place(event));
  if (at >= 0) tell("open", notes[at]);
}

function wheel(event) {
  event.preventDefault();
  hover(-1);
  canvas.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0022)), ...place(event));
}

function key(event) {
  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (moves[event.key]) canvas.move(...moves[event.key]);
  else if (event.key === "+" || event.key === "=") canvas.zoom(1.4);
  else if (event.key === "-") canvas.zoom(1 / 1.4);
  else if (event.key === "0") canvas.fit();
  else return;
  event.preventDefault();
}

export function begin() {
  load();
}

new ResizeObserver(() => canvas.resize()).observe($("stage"));
addEventListener("resize", () => canvas.resize()); // also from one screen to another
onScheme(() => {
  canvas.stale();
  legend();
});
const on = (name, heard, options) => $("canvas").addEventListener(name, heard, options);
on("pointerdown", down);
on("pointermove", drag);
on("pointerup", up);
on("pointercancel", up);
on("pointerleave", () => !pointers.size && hover(-1));
on("wheel", wheel, { passive: false });
on("keydown", key);
$("in").addEventListener("click", () => canvas.zoom(1.5));
$("out").addEventListener("click", () => canvas.zoom(1 / 1.5));
$("fit").addEventListener("click", () => canvas.fit());
$("which").addEventListener("change", draw);
$("colour").addEventListener("change", draw);
$("links").addEventListener("change", () => {
  canvas.show_links = $("links").checked;
  canvas.stale();
});
hear("lit", light);
hear("point", (at) => hover(numberOf(at) ?? -1));
hear("open", (note) => {
  canvas.chosen = numberOf(keyOf(note)) ?? -1;
  if (canvas.chosen >= 0) canvas.reveal(canvas.chosen);
  canvas.again();
});
hear("closed", () => {
  canvas.chosen = -1;
  canvas.again();
});
hear("changed", (pending) => {
  clearTimeout(waiting);
  if (!pending) waiting = setTimeout(load, AGAIN_MS, PATIENCE_S);
});
