// Asking the daemon, through the page's door.

import { tell } from "/dom.js";
import { bearer } from "/session.js";

export class Refused extends Error {
  constructor(status, { code, message, hint }) {
    super(message);
    Object.assign(this, { status, code, hint });
  }
}

async function request(method, path, body, signal) {
  const token = bearer(), headers = { authorization: `Bearer ${token}` };
  if (body) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
  } catch (error) {
    if (error.name !== "AbortError") tell("gone", "vragd web has ended. Start it again, and open the address it prints.");
    throw error;
  }
  if (answer.ok) return answer;
  const said = await answer.json().then((found) => found.error, () => ({ code: "failed", message: answer.statusText, hint: "" }));
  const refused = new Refused(answer.status, said);
  if (answer.status === 403) tell("refused", token);
  if (said.code === "no_daemon") tell("gone", `No vragd is running here. This page goes on once it does: ${said.hint || "vragd run"}`);
  throw refused;
}

export const get = async (path, signal) => (await request("GET", path, null, signal)).json();
export const post = async (path, body, signal) => (await request("POST", path, body, signal)).json();

/** Each server-sent event: [kind, data]. Ends with the stream; EventSource could send no token. */
export async function* events(signal) {
  const answer = await request("GET", "/v1/events", null, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const whole = (held + value).split("\n\n");
    held = whole.pop();
    for (const one of whole) {
      const said = Object.fromEntries(one.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
      if (said.event) yield [said.event, JSON.parse(said.data)];
    }
  }
}
