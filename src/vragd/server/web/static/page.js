// The page as a whole: let in or not, which view, how far the work is.

import { events } from "/ask.js";
import { $, hear, many, pressed, tell } from "/dom.js";
import * as files from "/files.js";
import * as find from "/find.js";
import * as note from "/note.js";
import * as picture from "/picture.js";
import { another, begin, enter, whenLetIn } from "/session.js";

const DEGRADED = {
  rescan: "looking at the folders", store_failed: "a store did not open", offline: "a folder is not there",
};
let running = null, most = 0, left = 0, generation = null;

function view(name) {
  document.querySelector("main").dataset.view = name;
  pressed($("top"), "data-view", name);
  if (name === "files") files.show();
  if (name === "picture") tell("shown");
}

function progress({ notes, pending, generation: now }) {
  most = pending ? Math.max(most, pending) : 0;
  $("state-text").textContent = pending ? `${many(pending, "file")} to index` : many(notes, "note");
  $("state-bar").hidden = !pending;
  $("state-bar").value = most ? (most - pending) / most : 1;
  if (generation !== null && (now !== generation || (left && !pending))) tell("changed", pending);
  generation = now;
  left = pending;
}

function states({ stores, degraded }) {
  const wrong = stores.filter((one) => one.trouble).map((one) => `${one.name}: ${one.trouble.replaceAll("_", " ")}`);
  for (const one of stores)
    for (const source of one.sources)
      if (!["ok", "new"].includes(source.state)) wrong.push(`${source.name}: ${DEGRADED[source.state] ?? source.state.replaceAll("_", " ")}`);
  if (degraded.includes("store_failed")) wrong.push(DEGRADED.store_failed);
  trouble(wrong.join(" · "));
}

function trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

/** Follow the events for as long as the tab is looked at: a browser has six connections for all tabs of a place. */
async function follow(signal) {
  for (let wait = 1000; !signal.aborted; wait = Math.min(15000, wait * 2)) {
    try {
      for await (const [kind, data] of events(signal)) {
        if (kind === "progress") progress(data);
        if (kind === "states") states(data);
        if (wait > 1000) tell("changed", 0);
        wait = 1000;
      }
    } catch (error) {
      if (error.status === 403) return;
    }
    if (!signal.aborted) await new Promise((then) => setTimeout(then, wait));
  }
}

function watch() {
  running?.abort();
  running = null;
  if (document.hidden || $("q").disabled) return;
  running = new AbortController();
  follow(running.signal);
}

function let_in() {
  const begins = $("q").disabled; // else whoever reads a note goes on
  $("enter").hidden = true;
  document.body.classList.remove("out");
  $("q").disabled = false;
  trouble("");
  picture.begin();
  find.begin();
  watch();
  if (begins) $("q").focus(); // which lays the page out: what was asked is under way
}

/** What was asked with `token` was refused: the page ended. Where it is there again, another tab may have been let in. */
async function refused(token) {
  const is_in = await another(token);
  if (is_in === undefined) return;
  if (!is_in) return tell("left");
  let_in();
  tell("changed", 0);
}

function turned_away() {
  trouble("");
  running?.abort();
  document.body.classList.add("out");
  $("q").disabled = true;
  $("enter").hidden = false;
  $("address").focus();
}

async function start(address) {
  if (address === undefined ? await begin() : await enter(address).catch(() => false)) return let_in();
  if (address !== undefined) $("enter-said").textContent = "That address was used before, or is none of this page.";
  turned_away();
}

whenLetIn(let_in);
for (const button of document.querySelectorAll("nav [data-view]"))
  button.addEventListener("click", () => view(button.dataset.view));
$("address").addEventListener("keydown", (event) => event.key === "Enter" && start($("address").value));
document.addEventListener("visibilitychange", watch);
addEventListener("hashchange", () => location.hash.length > 20 && start());
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    $("q").select();
    $("q").focus();
  }
});
hear("refused", refused);
hear("left", turned_away);
hear("gone", trouble);
hear("open", () => view(document.querySelector("main").dataset.view === "files" ? "notes" : document.querySelector("main").dataset.view));
note.listen();
files.listen();
start();
