// The list: what was found, else what was changed last, else all notes by folder, as the picture has them.

import { get, post } from "/ask.js";
import { $, ago, el, hear, keyOf, many, marked, number, opens, paged, painted, pressed, redraw, tell, titleOf } from "/dom.js";
import { narrowed, narrowing } from "/filter.js";
import { asRead } from "/heading.js";

const BURST_MS = 15, STEP = 30, LISTED = 200, ROWS = 100;
let asking = null, pause = 0, changed_at = -Infinity, way = "recent", notes = null, titles = new Map(), opened = "", drawn = "", most = STEP, weak = false;

const typed = () => $("q").value.trim(), fill = (...parts) => redraw($("list"), ...parts);

function row(note, ...more) {
  const key = keyOf(note);
  return el("article", { class: "row", "data-key": key, onmouseenter: () => tell("point", key), onmouseleave: () => tell("point", "") },
    el("button", { type: "button", class: "title", "aria-current": key === opened ? "true" : false, onclick: () => tell("open", note), onfocus: () => tell("point", key), onblur: () => tell("point", "") }, titleOf(note)),
    el("p", { class: "place" }, [note.path, ...(note.heading ?? []).map(asRead)].join(" › ")), ...more);
}

function hit(found) {
  return row(found,
    el("p", { class: "excerpt" }, ...marked(found.excerpt, found.spans)),
    ...found.passages.slice(0, 2).map((one) => el("p", { class: "excerpt also" }, ...marked(one.excerpt, one.spans))),
    el("p", { class: "foot" }, opens(found.uri), found.template ? el("span", {}, "template") : "",
      found.copies.length ? el("span", {}, many(found.copies.length, "copy", "copies")) : ""));
}

function said(answer, took) {
  const left = answer.n_weak ? `; ${number(answer.n_weak)} weaker left out` : "";
  const instead = Object.entries(answer.instead).map(([word, other]) => ` “${word}” is nowhere, “${other}” was looked for.`);
  const unknown = answer.unknown.map((one) => ` No note ${one.kind === "note" ? "is called" : `has the ${one.kind}`} “${one.name}”.`);
  return `${many(answer.hits.length, "note")} in ${Math.round(took)} ms${left}.${[...instead, ...unknown].join("")}`;
}

async function search(signal) {
  const began = performance.now(), top_k = typed() ? most : Math.max(LISTED, most); // all of a folder light up
  const answer = await post("/v1/query", { text: typed(), top_k, weak, ...narrowing() }, signal), took = performance.now() - began;
  tell("lit", answer.hits.map(keyOf));
  await painted(); // the list takes longer than the marks
  if (signal.aborted) return;
  $("notes-title").textContent = typed() ? "Found" : "Notes with these filters, last changed first";
  $("found").textContent = said(answer, took);
  $("ways").hidden = true;
  const same = JSON.stringify([typed(), narrowing()]), rows = $("list").querySelectorAll(".rows > li").length;
  const least = same === drawn ? rows : 0;
  drawn = same;
  const more = (text, change) => el("button", { type: "button", class: "more", onclick: async () => {
    const button = document.activeElement;
    change();
    await draw();
    if (button.isConnected || !$("list").contains(document.activeElement)) return;
    $("list").querySelectorAll(".rows > li .title")[answer.hits.length]?.focus(); // the first that was not there
  } }, text);
  fill(answer.hits.length
    ? paged(answer.hits, ROWS, hit, el("ol", { class: "rows" }), least)
    : el("p", { class: "quiet" }, "Nothing was found. Fewer words, or fewer filters?"),
  ...(answer.hits.length === top_k && top_k < 1000 ? [more("More", () => (most = top_k + (typed() ? STEP : LISTED)))]
    : answer.n_weak ? [more(`Also ${many(answer.n_weak, "weaker one")}`, () => (weak = true))] : []));
}

async function recent(signal) {
  const answer = await post("/v1/recent", { top_k: 50 }, signal);
  $("found").textContent = "";
  fill(answer.notes.length
    ? paged(answer.notes, ROWS, (one) => row(one.note, el("p", { class: "foot" }, el("span", {}, ago(one.modified)))))
    : empty());
}

function empty() {
  return el("div", { class: "empty" }, el("p", {}, "There are no notes yet."),
    el("p", { class: "quiet" }, "vragd add ~/path/to/a/vault adds a folder of them; they appear here while they are indexed."));
}

const folderOf = (note) => note.path.slice(0, Math.max(0, note.path.lastIndexOf("/")));

/** Every note, where the picture lacks some: those that have no vector, or no place yet. */
async function files(signal) {
  const found = (await get("/v1/files?state=indexed&state=pending&state=failed", signal)).files;
  return found.filter((file) => file.state === "indexed" || file.n_chunks)
    .map((file) => ({ ...file, title: titles.get(keyOf(file)) ?? titleOf({ path: file.path.replace(/\.md$/, "") }) }));
}

async function all(signal) {
  const shown = notes ?? (await files(signal));
  const one = new Set(shown.map((note) => note.source)).size < 2;
  const groups = Map.groupBy(shown, (note) => {
    const folder = folderOf(note) || "no folder";
    return one ? folder : `${note.source} › ${folder}`;
  });
  const open = new Map(Array.from($("list").querySelectorAll("details[open]"), (part) => [part.dataset.key, part.querySelectorAll("li").length]));
  const sorted = [...groups].sort(([one], [other]) => one.localeCompare(other));
  $("found").textContent = many(shown.length, "note");
  fill(...sorted.map(([name, group]) => {
    const part = el("details", { class: "group", "data-key": name, open: sorted.length === 1 || open.has(name), ontoggle: show },
      el("summary", {}, name, el("span", { class: "quiet" }, ` ${number(group.length)}`)));
    function show() {
      if (part.open && part.children.length < 2)
        part.append(paged(group.sort((a, b) => titleOf(a).localeCompare(titleOf(b))), ROWS, (one) => row(one), undefined, open.get(name)));
    }
    show();
    return part;
  }));
  if (!sorted.length) fill(empty());
}

async function draw() {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  $("list").setAttribute("aria-busy", "true");
  try {
    if (typed() || narrowed()) return await search(signal);
    $("notes-title").textContent = "Notes";
    $("ways").hidden = false;
    tell("lit", null);
    return await (way === "all" ? all(signal) : recent(signal));
  } catch (error) {
    if (signal.aborted || error.status === undefined) return undefined;
    if (error.code === "mistyped") $("found").textContent = `${error.message}. ${error.hint}`;
    else {
      $("found").textContent = "";
      fill(el("p", { class: "quiet" }, `${error.message}. ${error.hint ?? ""}`));
    }
    return undefined;
  } finally {
    if (!signal.aborted && !pause) $("list").removeAttribute("aria-busy");
  }
}

function anew() {
  clearTimeout(pause);
  pause = 0;
  most = STEP;
  weak = false;
  return draw();
}

/** A key is asked at once; of those that come in a burst, as from a macro, the first, and the last when it is over. */
function soon() {
  clearTimeout(pause);
  $("list").setAttribute("aria-busy", "true");
  const now = performance.now(), alone = now - changed_at >= BURST_MS;
  changed_at = now;
  if (alone) anew();
  else pause = setTimeout(anew, BURST_MS);
}

function moved(event) {
  const rows = [...$("list").querySelectorAll(".title")];
  const at = rows.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
  if (to === undefined || (at < 0 && document.activeElement !== $("q"))) return;
  event.preventDefault();
  (to < 0 ? $("q") : rows[to])?.focus();
}

export function begin() {
  draw();
}

$("q").addEventListener("input", soon);
$("q").addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    pause ? anew() : draw();
  }
  if (event.key === "Escape" && $("q").value) {
    $("q").value = "";
    soon();
  }
});
$("notes").addEventListener("keydown", moved);
$("q").addEventListener("keydown", moved);
for (const button of $("ways").children)
  button.addEventListener("click", () => {
    way = button.dataset.way;
    pressed($("ways"), "data-way", way);
    draw();
  });
hear("filtered", anew);
const listed = () => way === "all" && !typed() && !narrowed();
hear("changed", (pending) => !pending && !(listed() && notes) && draw());
hear("drawn", (found) => {
  const before = notes?.map(keyOf).join();
  titles = new Map(found.notes.map((note) => [keyOf(note), note.title]));
  notes = found.all ? found.notes : null;
  if (listed() && before !== notes?.map(keyOf).join()) draw();
});
hear("open", (note) => {
  opened = keyOf(note);
  for (const title of $("list").querySelectorAll(".title"))
    if (title.parentElement.dataset.key === opened) title.setAttribute("aria-current", "true");
    else title.removeAttribute("aria-current");
});
