// One note: what it says, as text; its links both ways; what is related to it.

import { post } from "/ask.js";
import { $, el, hear, keyOf, many, opens, paged, tell, titleOf } from "/dom.js";

const ROWS = 100, made_of = new WeakMap(); // what a part of the panel was before more of it was asked for
let asking = null, back = null, shown = null, changed = false, at = "";

const of = (note) => ({ note: `${note.source}/${note.path}`, stores: [note.store], sources: [note.source] });

function led(note, ...more) {
  return [el("button", { type: "button", class: "title", "data-key": keyOf(note), onclick: () => tell("open", note) }, titleOf(note)), ...more];
}

function part(title, rows, made, none) {
  return el("section", { class: "part" }, el("h3", {}, title), rows.length ? paged(rows, ROWS, made, el("ul", { class: "rows small" })) : el("p", { class: "quiet" }, none));
}

function once(links, end) {
  const found = new Map();
  for (const link of links) if (link[end]) found.set(keyOf(link[end]), link);
  return [...found.values()];
}

/** The link of a note that was not found by a question: only hits say it. */
async function link(note, signal) {
  const path = note.path.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  const answer = await post("/v1/query", { where: `path:"${path}"`, stores: [note.store], sources: [note.source], top_k: 50 }, signal);
  return answer.hits.find((one) => one.path === note.path)?.uri ?? "";
}

async function show(note) {
  const panel = $("note");
  if (panel.hidden) back = document.activeElement;
  shown = note;
  at = keyOf(note);
  panel.hidden = false;
  document.body.classList.add("reading");
  const head = el("div", { class: "head" }, el("h2", { id: "note-title" }, titleOf(note)),
    el("button", { type: "button", class: "close", "aria-label": "Close the note", onclick: close }, "×"));
  const place = el("p", { class: "place" }, `${note.source} › ${note.path}`);
  const text = el("div", { class: "text", tabindex: "0", role: "region", "aria-label": "Text of the note" });
  panel.replaceChildren(head, place, el("p", { class: "foot" }), text, el("div", { class: "rest" }));
  panel.scrollTop = 0;
  panel.focus();
  await ask(note);
}

/** Another part of the panel in the place of one that says something else; whoever was in it with the keyboard still is. */
function change(part, ...children) {
  const made = el("div", {}, ...children), was = document.activeElement;
  if (made_of.get(part)?.isEqualNode(made)) return;
  made_of.set(part, made.cloneNode(true));
  const held = part.contains(was), key = was?.dataset.key;
  part.replaceChildren(...made.childNodes);
  if (held) (key && part.querySelector(`[data-key="${CSS.escape(key)}"]`) || $("note")).focus();
}

/** Show what the daemon says of the note; once more where something was changed meanwhile. */
async function ask(note) {
  asking?.abort();
  const mine = asking = new AbortController();
  changed = false;
  await fill(note, mine.signal);
  if (mine !== asking) return;
  asking = null;
  if (changed && shown) ask(shown);
}

async function fill(note, signal) {
  const mine = keyOf(note);
  const [foot, text, rest] = ["foot", "text", "rest"].map((name) => $("note").querySelector(`:scope > .${name}`));
  const tried = (asked) => Promise.resolve(asked).catch((error) => (signal.aborted ? null : { error }));
  const [got, links, similar, uri] = await Promise.all([
    tried(post("/v1/get", of(note), signal)), tried(post("/v1/links", of(note), signal)),
    tried(post("/v1/similar", { ...of(note), top_k: 8 }, signal)), tried(note.uri ?? link(note, signal).catch(() => "")),
  ]);
  if (signal.aborted || at !== mine) return;
  const said = got.error ? `${got.error.message}. ${got.error.hint ?? ""}` : got.text || "This note has no text.";
  if (text.textContent !== said) text.textContent = said;
  const open = typeof uri === "string" && !got.error ? opens(uri) : null, parts = [];
  change(foot, open, got.error ? null : el("span", {}, many(got.n_lines, "line")));
  if (links && !links.error)
    parts.push(
      part(`Links to (${links.out.length})`, once(links.out, "to"), (one) => led(one.to, one.alias ? el("small", {}, ` as ${one.alias}`) : ""), "It links to no other note."),
      ...(links.unresolved.length ? [part(`Links that lead nowhere (${links.unresolved.length})`, links.unresolved, (one) => one.target, "")] : []),
      part(`Linked from (${links.back.length})`, once(links.back, "of"), (one) => led(one.of), "No note links to it."),
    );
  if (similar && !similar.error)
    parts.push(part("Related", similar.hits, (one) => led(one.note, el("small", {}, ` ${Math.round(one.score * 100)} %${one.linked.length ? ", linked" : ""}${one.copies?.length ? `, ${many(one.copies.length, "copy", "copies")}` : ""}`)), "Nothing is near to it."));
  change(rest, ...parts);
}

function close() {
  asking?.abort();
  asking = shown = null;
  at = "";
  $("note").hidden = true;
  document.body.classList.remove("reading");
  tell("closed");
  if (back?.isConnected && back.checkVisibility()) back.focus();
  else $("q").focus();
}

export function listen() {
  hear("open", show);
  hear("changed", (pending) => {
    if (!shown || pending) return;
    if (asking) changed = true;
    else ask(shown);
  });
  hear("left", () => !$("note").hidden && close());
  addEventListener("keydown", (event) => event.key === "Escape" && !$("note").hidden && event.target.id !== "q" && !event.target.closest("#filters") && close());
}
