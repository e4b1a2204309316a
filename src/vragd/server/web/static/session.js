// The token: had once for what stands behind the address's #, kept for this tab, asked of other tabs of the page.

const KEY = "vragd";
const tabs = new BroadcastChannel(KEY);
let token = sessionStorage.getItem(KEY) ?? "";

tabs.addEventListener("message", ({ data }) => {
  if (data === "token?" && token) tabs.postMessage({ token });
});

export const bearer = () => token;

function keep(given) {
  token = given;
  if (token) sessionStorage.setItem(KEY, token);
  else sessionStorage.removeItem(KEY);
}

export const forget = () => keep("");

/** Whether the ticket was good; an address has it behind its #. */
export async function enter(address) {
  const ticket = address.trim().split("#").pop();
  const headers = { "content-type": "application/json" };
  const answer = await fetch("/session", { method: "POST", headers, body: JSON.stringify({ ticket }) });
  if (answer.ok) keep((await answer.json()).token);
  return answer.ok;
}

function fromAnotherTab() {
  return new Promise((told) => {
    const heard = ({ data }) => {
      if (data?.token) {
        keep(data.token);
        told(true);
      }
    };
    tabs.addEventListener("message", heard);
    tabs.postMessage("token?");
    setTimeout(() => {
      tabs.removeEventListener("message", heard);
      told(false);
    }, 300);
  });
}

/** Whether there is a token now. */
export async function begin() {
  const ticket = location.hash.slice(1);
  if (ticket) history.replaceState(null, "", "/"); // neither the tab's history nor a bookmark has it
  if (ticket && (await enter(ticket).catch(() => false))) return true;
  return token !== "" || fromAnotherTab();
}
