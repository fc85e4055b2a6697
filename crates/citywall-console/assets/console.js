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
  const open = [...old.querySelectorAll("details")].map((part) => part.open);
  old.replaceChildren(...fresh.childNodes);
  old.querySelectorAll("details").forEach((part, place) => {
    part.open = open[place] ?? false;
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

if (main?.dataset.live !== undefined && live) follow();
document.querySelectorAll("form[data-search]").forEach(search);
document.querySelectorAll("[data-print]").forEach((button) => button.addEventListener("click", () => print()));
