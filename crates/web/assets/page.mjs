// What a browser adds: keys, and figures that follow the ledger. Without it every page works.

const items = () => [...document.querySelectorAll("[data-item]")];
const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
let here = -1;

function move(step) {
  const all = items();
  if (all.length === 0) return;
  all[here]?.classList.remove("here");
  here = Math.min(Math.max(here + step, 0), all.length - 1);
  const item = all[here];
  item.classList.add("here");
  item.querySelector("a")?.focus({ preventScroll: true });
  item.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (items()[here]?.querySelector(`[data-key="${CSS.escape(event.key)}"]`)) {
    items()[here].querySelector(`[data-key="${CSS.escape(event.key)}"]`).click();
    event.preventDefault();
  } else if (event.key === "?") location.assign("/help");
  else if (event.key === "/") {
    (document.querySelector("#q") ?? document.querySelector("#quick"))?.focus();
    event.preventDefault();
  }
});

// A part that says where it comes from is asked for again while it can be seen. Tables that the
// reader has opened stay open.
async function follow(part) {
  let tag = "";
  const ask = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(part.dataset.live, { headers: tag ? { "If-None-Match": tag } : {} });
        if (answer.status === 200) {
          tag = answer.headers.get("ETag") ?? "";
          const open = [...part.querySelectorAll("details")].map((details) => details.open);
          part.innerHTML = await answer.text();
          part.querySelectorAll("details").forEach((details, index) => (details.open = open[index] ?? false));
          part.querySelectorAll("[data-live]").forEach(follow);
        }
      } catch {
        // The server is away: the next round asks again.
      }
    }
  };
  // Where the server says when something changed, it is asked then, and else now and then.
  let pause = 3000;
  if (part.dataset.events && "EventSource" in window) {
    const events = new EventSource(part.dataset.events);
    events.addEventListener("position", ask);
    addEventListener("pagehide", () => events.close());
    pause = 30000;
  }
  const again = async () => {
    if (!part.isConnected) return;
    await ask();
    setTimeout(again, pause);
  };
  setTimeout(again, 1000);
}

document.querySelectorAll("[data-live]").forEach(follow);

// A form that says where its preview comes from is asked at every keystroke; only the last answer counts.
function preview(form) {
  const target = document.querySelector(form.dataset.target);
  let turn = 0;
  let timer;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    const mine = ++turn;
    timer = setTimeout(async () => {
      try {
        const answer = await fetch(`${form.dataset.preview}?${new URLSearchParams(new FormData(form))}`);
        if (answer.ok && mine === turn) target.innerHTML = await answer.text();
      } catch {
        // The server is away: the button still works when it is back.
      }
    }, 120);
  });
}

document.querySelectorAll("form[data-preview]").forEach(preview);
