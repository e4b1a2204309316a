// Filters as chips: one folder (of the sources that have it), sources, tags. They narrow what is found and what is listed.

import { post } from "/ask.js";
import { $, el, hear, tell } from "/dom.js";

let chips = [];
let names = [];

const quoted = (text) => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

/** The chips as the fields of a request. */
export function narrowing() {
  const folder = chips.find((chip) => chip.kind === "folder");
  const sources = chips.filter((chip) => chip.kind === "source").map((chip) => `source:${quoted(chip.name)}`);
  const where = chips.filter((chip) => chip.kind === "tag").map((chip) => `tag:${quoted(chip.name)}`);
  if (sources.length) where.push(`(${sources.join(" OR ")})`); // a question of its own, as a list of sources is not
  return { where: where.join(" "), folder: folder?.name ?? "", sources: folder?.sources ?? [] };
}

export const narrowed = () => chips.length > 0;

const same = (one, other) => one.kind === other.kind && one.name === other.name && one.sources?.join() === other.sources?.join();

function add(chip) {
  if (chip.kind === "folder") chips = chips.filter((one) => one.kind !== "folder");
  if (!chips.some((one) => same(one, chip))) chips = [...chips, chip];
  draw();
  tell("filtered");
}

function remove(chip) {
  chips = chips.filter((one) => one !== chip);
  draw();
  ($("chips").querySelector(".chip") ?? $("add-filter")).focus();
  tell("filtered");
}

function draw() {
  const shown = chips.map((chip) =>
    el("button", { type: "button", class: "chip", "aria-label": `Remove the filter ${chip.kind} ${chip.name}`, onclick: () => remove(chip) },
      el("span", { class: "kind" }, chip.kind), ` ${chip.name} `, el("span", { "aria-hidden": "true" }, "×")));
  const button = el("button", { type: "button", id: "add-filter", "aria-expanded": "false", "aria-controls": "filters", onclick: toggle }, "+ Filter");
  const box = el("div", { id: "filters", hidden: true },
    el("label", { for: "filter-text", class: "unseen" }, "Folder, tag or source"),
    el("input", { id: "filter-text", type: "text", placeholder: "Folder, tag or source", autocomplete: "off", spellcheck: "false", oninput: offer }),
    el("div", { id: "offered" }));
  box.addEventListener("keydown", keys);
  $("chips").replaceChildren(...shown, button, box);
}

function toggle() {
  const opened = $("filters").hidden;
  $("filters").hidden = !opened;
  $("add-filter").setAttribute("aria-expanded", String(opened));
  if (opened) {
    names = []; // there may be others by now
    $("filter-text").focus();
    offer();
  }
}

function keys(event) {
  if (event.key === "Escape") {
    toggle();
    $("add-filter").focus();
  }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const all = [$("filter-text"), ...$("offered").querySelectorAll("button")];
  const next = all[all.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1)];
  event.preventDefault();
  next?.focus();
}

async function named(kind, prefix, limit = 8) {
  return (await post("/v1/names", { kind, prefix, limit })).names;
}

let asked = 0;
async function offer() {
  const mine = ++asked;
  try {
    await offered(mine);
  } catch (error) {
    if (mine === asked && $("offered") && error.status !== undefined)
      $("offered").replaceChildren(el("p", { class: "quiet" }, `${error.message}. ${error.hint ?? ""}`));
  }
}

async function offered(mine) {
  const typed = $("filter-text").value.trim().replace(/^#/, "");
  names = names.length ? names : await named("source", "", 50);
  const folders = (await Promise.all(names.map(async (source) =>
    (await named("folder", `${source}/${typed}`)).map((name) => ({ kind: "folder", sources: [source], name: name.slice(source.length + 1, -1) })))))
    .flat().filter((chip) => chip.name).slice(0, 12);
  const tags = (await named("tag", typed, 12)).map((name) => ({ kind: "tag", name }));
  const sources = names.length > 1 ? names.filter((name) => name.toLowerCase().startsWith(typed.toLowerCase())).map((name) => ({ kind: "source", name })) : [];
  if (mine !== asked || !$("offered")) return;
  const groups = [["Folders", folders], ["Tags", tags], ["Sources", sources]].filter(([, found]) => found.length);
  $("offered").replaceChildren(...groups.map(([title, found]) => el("div", { role: "group", "aria-label": title },
    el("p", { class: "heading", "aria-hidden": "true" }, title),
    el("ul", { class: "offers" }, ...found.map((chip) => el("li", {}, el("button", { type: "button", onclick: () => { add(chip); $("add-filter").focus(); } },
      chip.name, chip.kind === "folder" && names.length > 1 ? el("small", {}, ` ${chip.sources}`) : "")))))));
  if (!groups.length) $("offered").replaceChildren(el("p", { class: "quiet" }, "Nothing begins so."));
}

addEventListener("pointerdown", (event) => !$("filters").hidden && !$("chips").contains(event.target) && toggle());
hear("filter", add);
draw();
