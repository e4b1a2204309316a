// One note: what it says, as text; its links both ways; what is related to it.

import { post } from "/ask.js";
import { $, el, hear, keyOf, many, opens, tell, titleOf } from "/dom.js";

let asking = null, back = null, at = "";

const of = (note) => ({ note: `${note.source}/${note.path}`, stores: [note.store], sources: [note.source] });

function led(note, ...more) {
  return el("li", {}, el("button", { type: "button", class: "title", onclick: () => tell("open", note) }, titleOf(note)), ...more);
}

function part(title, rows, none) {
  return el("section", { class: "part" }, el("h3", {}, title), rows.length ? el("ul", { class: "rows small" }, ...rows) : el("p", { class: "quiet" }, none));
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
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking, mine = keyOf(note), panel = $("note");
  if (panel.hidden) back = document.activeElement;
  at = mine;
  panel.hidden = false;
  document.body.classList.add("reading");
  const head = el("div", { class: "head" }, el("h2", { id: "note-title" }, titleOf(note)),
    el("button", { type: "button", class: "close", "aria-label": "Close the note", onclick: close }, "×"));
  const place = el("p", { class: "place" }, `${note.source} › ${note.path}`), foot = el("p", { class: "foot" });
  const text = el("div", { class: "text", tabindex: "0", role: "region", "aria-label": "Text of the note" }), rest = el("div");
  panel.replaceChildren(head, place, foot, text, rest);
  panel.scrollTop = 0;
  panel.focus();
  const tried = (asked) => Promise.resolve(asked).catch((error) => (signal.aborted ? null : { error }));
  const [got, links, similar, uri] = await Promise.all([
    tried(post("/v1/get", of(note), signal)), tried(post("/v1/links", of(note), signal)),
    tried(post("/v1/similar", { ...of(note), top_k: 8 }, signal)), tried(note.uri ?? link(note, signal).catch(() => "")),
  ]);
  if (signal.aborted || at !== mine) return;
  text.textContent = got.error ? `${got.error.message}. ${got.error.hint ?? ""}` : got.text || "This note has no text.";
  const open = typeof uri === "string" ? opens(uri) : null;
  foot.replaceChildren(...[open, got.error ? null : el("span", {}, many(got.n_lines, "line"))].filter(Boolean));
  if (links && !links.error)
    rest.append(
      part(`Links to (${links.out.length})`, once(links.out, "to").map((one) => led(one.to, one.alias ? el("small", {}, ` as ${one.alias}`) : "")), "It links to no other note."),
      ...(links.unresolved.length ? [part(`Links that lead nowhere (${links.unresolved.length})`, links.unresolved.map((one) => el("li", {}, one.target)), "")] : []),
      part(`Linked from (${links.back.length})`, once(links.back, "of").map((one) => led(one.of)), "No note links to it."),
    );
  if (similar && !similar.error)
    rest.append(part("Related", similar.hits.map((one) => led(one.note, el("small", {}, ` ${Math.round(one.score * 100)} %${one.linked.length ? ", linked" : ""}${one.copies?.length ? `, ${many(one.copies.length, "copy", "copies")}` : ""}`))), "Nothing is near to it."));
  tell("links", mine);
}

function close() {
  asking?.abort();
  at = "";
  $("note").hidden = true;
  document.body.classList.remove("reading");
  tell("closed");
  if (back?.isConnected) back.focus();
  else $("q").focus();
}

export function listen() {
  hear("open", show);
  hear("left", () => !$("note").hidden && close());
  addEventListener("keydown", (event) => event.key === "Escape" && !$("note").hidden && event.target.id !== "q" && !event.target.closest("#filters") && close());
}
