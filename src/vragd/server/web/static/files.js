// Each file and its state, and why.

import { get } from "/ask.js";
import { $, ago, el, hear, many, paged, pressed, tell } from "/dom.js";

const STATES = [["failed", "Failed"], ["pending", "Waiting"], ["skipped", "Left out"], ["indexed", "Indexed"]];
const WORKING_MS = 5000; // between two looks while much is indexed
let state = "", asked = 0, looked = 0;

function line(file) {
  const name = file.state === "indexed"
    ? el("button", { type: "button", class: "title", onclick: () => tell("open", { ...file, title: "" }) }, file.path)
    : el("span", { class: "title" }, file.path);
  const facts = [file.source, file.reason?.replaceAll("_", " "), file.n_chunks ? many(file.n_chunks, "passage") : "",
    file.changed_at ? `indexed ${ago(file.changed_at)}` : "", file.closed.length ? "not shown to assistants" : ""];
  return el("article", { class: "row" }, name, el("p", { class: "place" }, el("span", { class: `badge ${file.state}` }, file.state), ` ${facts.filter(Boolean).join(" · ")}`));
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
  $("files-states").replaceChildren(...STATES.map(([key, title]) => el("button", { type: "button", "data-state": key, onclick: () => { state = key; draw(); } }, `${title} ${counts[key].length.toLocaleString("en")}`)));
  function draw() {
    pressed($("files-states"), "data-state", state);
    $("files-list").replaceChildren(counts[state].length ? paged(counts[state], 100, line) : el("p", { class: "quiet" }, "None."));
  }
  draw();
}

export function listen() {
  hear("changed", (pending) => document.querySelector("main").dataset.view === "files" && (!pending || Date.now() - looked > WORKING_MS) && show());
}
