// Each file and its state, and why.

import { get } from "/ask.js";
import { $, ago, el, hear, keyOf, many, number, paged, pressed, redraw, tell } from "/dom.js";

const STATES = [["failed", "Failed"], ["pending", "Waiting"], ["skipped", "Left out"], ["indexed", "Indexed"]];
const WORKING_MS = 5000; // between two looks while much is indexed
let state = "", drawn = "", asked = 0, looked = 0;

function line(file) {
  const name = file.state === "indexed"
    ? el("button", { type: "button", class: "title", onclick: () => tell("open", { ...file, title: "" }) }, file.path)
    : el("span", { class: "title" }, file.path);
  const facts = [file.source, file.reason?.replaceAll("_", " "), file.n_chunks ? many(file.n_chunks, "passage") : "",
    file.changed_at ? `indexed ${ago(file.changed_at)}` : "", file.closed.length ? "not shown to assistants" : ""];
  return el("article", { class: "row", "data-key": keyOf(file) }, name, el("p", { class: "place" }, el("span", { class: `badge ${file.state}` }, file.state), ` ${facts.filter(Boolean).join(" · ")}`));
}

export async function show() {
  const mine = ++asked;
  looked = Date.now();
  let files;
  try {
    ({ files } = await get("/v1/files"));
  } catch (error) {
    if (error.status !== undefined) $("files-list").replaceChildren(el("p", { class: "quiet" }, `${error.message}. ${error.hint ?? ""}`));
    return;
  }
  if (mine !== asked) return;
  const group = (file) => (file.state === "partial" ? "failed" : file.state);
  const counts = Object.fromEntries(STATES.map(([key]) => [key, files.filter((file) => group(file) === key)]));
  if (!state) state = STATES.find(([key]) => counts[key].length)?.[0] ?? "indexed";
  redraw($("files-states"), ...STATES.map(([key, title]) => el("button", { type: "button", "data-state": key, "data-key": key, onclick: () => { state = key; draw(); } }, `${title} ${number(counts[key].length)}`)));
  function draw() {
    const least = drawn === state ? $("files-list").querySelectorAll("li").length : 0;
    drawn = state;
    pressed($("files-states"), "data-state", state);
    redraw($("files-list"), counts[state].length ? paged(counts[state], 100, line, undefined, least) : el("p", { class: "quiet" }, "None."));
  }
  draw();
}

export function listen() {
  hear("changed", (pending) => document.querySelector("main").dataset.view === "files" && (!pending || Date.now() - looked > WORKING_MS) && show());
}
