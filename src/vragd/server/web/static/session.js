// The token: had once for what stands behind the address's #, kept for this tab, asked of other tabs of the page.

const KEY = "vragd";
const tabs = new BroadcastChannel(KEY), refused = new Set(); // tokens of a page that ended; another tab may have one yet
let token = sessionStorage.getItem(KEY) ?? "";

let told = () => false, late = () => {}; // of a token that another tab has: while it is waited for, and afterwards

tabs.addEventListener("message", ({ data }) => {
  if (data.not && token && !data.not.includes(token)) tabs.postMessage({ token });
  if (!data.token || token || refused.has(data.token)) return;
  keep(data.token);
  if (!told(true)) late();
});

export const bearer = () => token;

function keep(given) {
  token = given;
  if (token) sessionStorage.setItem(KEY, token);
  else sessionStorage.removeItem(KEY);
}

/** Whether another tab has a token that is good, once this one was refused; nothing where it is another by now. */
export async function another(sent) {
  if (!sent || sent !== token) return undefined;
  refused.add(sent);
  keep("");
  return fromAnotherTab();
}

/** Whether the ticket was good; an address has it behind its #. */
export async function enter(address) {
  const ticket = address.trim().split("#").pop();
  const headers = { "content-type": "application/json" };
  const answer = await fetch("/session", { method: "POST", headers, body: JSON.stringify({ ticket }) });
  if (answer.ok) {
    keep((await answer.json()).token);
    tabs.postMessage({ token }); // for those that were turned away
  }
  return answer.ok;
}

/** What is done when another tab lets this one in only after it was turned away, as it was busy when it was asked. */
export const whenLetIn = (called) => (late = called);

function fromAnotherTab() {
  return new Promise((resolve) => {
    const mine = told = (is_in) => {
      if (told === mine) told = () => false;
      resolve(is_in);
      return true;
    };
    tabs.postMessage({ not: [...refused] });
    setTimeout(mine, 300, false);
  });
}

/** Whether there is a token now: asked as soon as this module is there, before those that need one. */
export async function begin() {
  const is_in = await (first ?? admitted());
  first = null;
  return is_in || token !== "";
}

async function admitted() {
  const ticket = location.hash.slice(1);
  if (ticket) history.replaceState(null, "", "/"); // neither the tab's history nor a bookmark has it
  if (ticket && (await enter(ticket).catch(() => false))) return true;
  return token !== "" || fromAnotherTab();
}

let first = admitted();
