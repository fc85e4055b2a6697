// What pages can do more where scripts run: they show changes as they come, search while one types,
// and print. Without it every page works by loading it again.

const FRAGMENT = { headers: { "x-fragment": "1" } };
const main = document.getElementById("main");
const live = document.getElementById("live");

// Asks for a page and puts one part of it in place; what is open stays open.
async function refresh(url, id) {
  const answer = await fetch(url, FRAGMENT);
  if (answer.status === 401) {
    location.reload();
    return;
  }
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
  if (!old || !fresh) return;
  const name = (part, place) => part.id || place;
  const open = new Map([...old.querySelectorAll("details")].map((part, place) => [name(part, place), part.open]));
  old.replaceChildren(...fresh.childNodes);
  old.querySelectorAll("details").forEach((part, place) => {
    part.open = open.get(name(part, place)) ?? part.open;
  });
}

// Somebody who types, or has typed, is not disturbed.
function busy() {
  const inside = document.activeElement?.closest?.("main form, main details");
  const typed = [...main.querySelectorAll("form.act input[type=text], input[type=password]")];
  return document.hidden || inside || typed.some((field) => field.value !== "");
}

function follow() {
  let waiting = false;
  let last = 0;
  const stream = new EventSource("/stream");
  const say = (text) => {
    if (live.textContent !== text) live.textContent = text;
  };
  stream.addEventListener("hello", () => say(live.dataset.on));
  stream.addEventListener("error", () => say(live.dataset.lost));
  stream.addEventListener("changed", () => {
    if (waiting) return;
    waiting = true;
    setTimeout(async () => {
      waiting = false;
      if (busy()) return;
      last = Date.now();
      const id = document.getElementById("results") ? "results" : "main";
      await refresh(location.href, id).catch(() => {});
    }, Math.max(0, 2000 - (Date.now() - last)));
  });
  addEventListener("pagehide", () => stream.close());
}

function search(form) {
  let timer;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const fields = [...new FormData(form)].filter(([, value]) => value !== "");
      const url = `${form.getAttribute("action")}?${new URLSearchParams(fields)}`;
      history.replaceState(null, "", url);
      refresh(url, "results").catch(() => {});
    }, 250);
  });
}

// Passkeys: the server asks, the browser answers; bytes travel as base64url.
const toText = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const toBytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

async function ask(path, body, csrf) {
  const headers = { "content-type": "application/json", ...(csrf && { "x-csrf-token": csrf }) };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.redirected) return { to: answer.url };
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

async function addPasskey(csrf) {
  const asked = await ask("/passkey/add/begin", {}, csrf);
  const made = await navigator.credentials.create({
    publicKey: {
      challenge: toBytes(asked.challenge),
      rp: { id: asked.host, name: "Citywall" },
      user: { id: toBytes(asked.user.id), name: asked.user.name, displayName: asked.user.name },
      pubKeyCredParams: [{ type: "public-key", alg: -7 }, { type: "public-key", alg: -8 }],
      excludeCredentials: asked.have.map((id) => ({ type: "public-key", id: toBytes(id) })),
      authenticatorSelection: { residentKey: "required", userVerification: "required" },
    },
  });
  await ask("/passkey/add", {
    id: made.id,
    client: toText(made.response.clientDataJSON),
    authenticator: toText(made.response.getAuthenticatorData()),
    key: toText(made.response.getPublicKey()),
  }, csrf);
  location.reload();
}

async function passkeyLogin() {
  const asked = await ask("/passkey/login/begin", {});
  const given = await navigator.credentials.get({
    publicKey: { challenge: toBytes(asked.challenge), rpId: asked.host, userVerification: "required" },
  });
  await ask("/passkey/login", {
    id: given.id,
    client: toText(given.response.clientDataJSON),
    authenticator: toText(given.response.authenticatorData),
    signature: toText(given.response.signature),
  });
  location.assign("/");
}

function offer(button, act) {
  if (!button || !window.PublicKeyCredential) return;
  button.hidden = false;
  button.addEventListener("click", () =>
    act().catch((error) => {
      const place = document.getElementById("said") ?? live;
      if (place) place.textContent = error.message;
    }));
}

const adds = document.querySelector("[data-passkey-add]");
offer(adds, () => addPasskey(adds.dataset.passkeyAdd));
offer(document.querySelector("[data-passkey-login]"), passkeyLogin);

if (main?.dataset.live !== undefined && live) follow();
document.querySelectorAll("form[data-search]").forEach(search);
document.querySelectorAll("[data-print]").forEach((button) => button.addEventListener("click", () => print()));
