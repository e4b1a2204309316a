// Which colour a note has, in light and in dark.

const LIGHT = ["#3d5afe", "#c2410c", "#0f8a5f", "#a21caf", "#a16207", "#0e7490", "#be123c", "#6d28d9", "#4d7c0f", "#9f6b53"];
const DARK = ["#8c9eff", "#ff9e64", "#4fd6a0", "#f0abfc", "#e8c547", "#67d4e8", "#ff8fa3", "#b9a3ff", "#a8d65c", "#d9b09c"];
const REST = { light: "#8a8f98", dark: "#868c96" };
export const MOST = LIGHT.length;
export const INK = {
  light: { ground: "#fbfbfa", text: "#1d2127", halo: "rgba(251,251,250,.85)", link: "rgba(40,48,60,.13)", strong: "rgba(40,48,60,.6)", ring: "#1d2127" },
  dark: { ground: "#15181c", text: "#e6e8eb", halo: "rgba(21,24,28,.85)", link: "rgba(200,210,225,.13)", strong: "rgba(220,228,240,.65)", ring: "#ffffff" },
};

const dark = matchMedia("(prefers-color-scheme: dark)");
export const scheme = () => (dark.matches ? "dark" : "light");
export const onScheme = (heard) => dark.addEventListener("change", heard);

/** The colours of a scheme; the last one is of whatever has none of its own. */
export const palette = () => [...(dark.matches ? DARK : LIGHT), REST[scheme()]];

/** Of each note the group it is in, the largest groups first: { of: index of each, groups: [{name, count}] }. */
export function grouped(notes, by) {
  const named = notes.map((note) => (by === "tag" ? note.tags[0]?.split("/")[0] ?? "" : note.folder.split("/")[0]));
  const counts = new Map();
  for (const name of named) counts.set(name, (counts.get(name) ?? 0) + 1);
  counts.delete("");
  const groups = [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).slice(0, MOST).map(([name, count]) => ({ name, count }));
  const index = new Map(groups.map(({ name }, at) => [name, at]));
  return { of: Uint8Array.from(named, (name) => index.get(name) ?? MOST), groups };
}
