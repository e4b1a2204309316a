// Elements are made here alone, and what notes say becomes text: nothing on the page is parsed as HTML.

export const $ = (id) => document.getElementById(id);

/** An element with attributes, `on…` listeners, and children that are elements or text. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

/** `text` with the half-open `spans` marked; they count code points, as the daemon does. */
export function marked(text, spans) {
  const points = Array.from(text), parts = [];
  let at = 0;
  for (const [start, end] of spans) {
    parts.push(points.slice(at, start).join(""), el("mark", {}, points.slice(start, end).join("")));
    at = end;
  }
  return [...parts, points.slice(at).join("")];
}

/** The link that opens a note in Obsidian; nothing for any other. */
export function opens(uri) {
  if (!uri.startsWith("obsidian://")) return null;
  return el("a", { href: uri, class: "opens", rel: "noreferrer" }, "Open in Obsidian");
}

export const keyOf = (note) => `${note.store}\n${note.source}\n${note.path}`;

export const titleOf = (note) => note.title || note.path.slice(note.path.lastIndexOf("/") + 1);

/** 12,345. A browser's own loads the rules of languages at its first call, just when the picture is awaited. */
export const number = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");

export const many = (count, one, more = `${one}s`) => `${number(count)} ${count === 1 ? one : more}`;

/** Once what was changed so far is on the screen, however busy the page is; a tab that nobody sees draws nothing. */
export const painted = () => new Promise((then) => {
  requestAnimationFrame(() => setTimeout(then));
  setTimeout(then, document.hidden ? 50 : 500); // it may be hidden meanwhile
});

export function ago(seconds) {
  const away = Math.max(0, Date.now() / 1000 - seconds);
  for (const [size, unit] of [[31536000, "year"], [2592000, "month"], [86400, "day"], [3600, "hour"], [60, "minute"]])
    if (away >= size) return `${many(Math.floor(away / size), unit)} ago`;
  return "just now";
}

/**
 * A list that shows so many of its rows at first and more when asked: ten thousand at once hold the page up. One in the
 * place of another shows `least` as many as that did.
 */
export function paged(rows, shown, made, list = el("ul", { class: "rows" }), least = 0) {
  let at = 0;
  const more = el("button", { type: "button", class: "more", onclick: () => add(true) });
  const whole = el("div", {}, list, more);
  function add(asked, n = shown) {
    const next = rows.slice(at, at + n).map((row) => el("li", {}, ...[made(row)].flat()));
    list.append(...next);
    at += next.length;
    more.hidden = at >= rows.length;
    more.textContent = more.hidden ? "" : `${Math.min(shown, rows.length - at)} more of ${number(rows.length - at)}`;
    if (asked) next[0]?.querySelector("button, a")?.focus();
  }
  add(false, Math.max(shown, least));
  return whole;
}

/** Other children of a part that was drawn anew; whoever was in it with the keyboard still is, at the same or what is in its place. */
export function redraw(part, ...children) {
  const held = document.activeElement, keyed = (one) => one.closest("[data-key]")?.dataset.key;
  const all = () => [...part.querySelectorAll("button, summary, a")].filter((one) => one.checkVisibility());
  const at = part.contains(held) ? all().indexOf(held) : -1;
  const [key, kind] = at < 0 ? [] : [keyed(held), held.className];
  part.replaceChildren(...children);
  if (at < 0) return;
  const now = all();
  (now.find((one) => one.className === kind && keyed(one) === key) ?? now[Math.min(at, now.length - 1)] ?? $("q")).focus();
}

export function pressed(group, attribute, value) {
  for (const button of group.querySelectorAll(`[${attribute}]`))
    button.setAttribute("aria-pressed", String(button.getAttribute(attribute) === value));
}

/** What parts of the page tell one another: `open`, `lit`, `point`, `filter`, `changed`, `refused`, `left`, `gone`. */
const bus = new EventTarget();
export const tell = (kind, detail) => bus.dispatchEvent(new CustomEvent(kind, { detail }));
export const hear = (kind, heard) => bus.addEventListener(kind, (event) => heard(event.detail));
