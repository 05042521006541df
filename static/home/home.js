// Home with a script: what is seen stays fresh, its age is told, panels are dragged. Links and forms do the rest.

const MINUTE = 60_000;
const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto", style: "short" });
const ageOf = (element) => Date.now() - Date.parse(element.dataset.asOf);

// Which panels are on the screen.
const seen = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) seen.add(target);
    else seen.delete(target);
  }
  freshen();
});
const watch = () => {
  for (const element of seen) if (!element.isConnected) seen.delete(element);
  for (const element of document.querySelectorAll("[data-as-of]")) watcher.observe(element);
};

// What is seen and older than a minute is asked for again; not while someone types or reads a menu in it.
const freshen = () => {
  if (document.hidden || !window.htmx) return;
  for (const element of seen) {
    const busy = element.classList.contains("htmx-request") || element.contains(document.activeElement) && document.activeElement.matches("input, select");
    if (!busy && ageOf(element) >= MINUTE) htmx.trigger(element, "refresh");
  }
};

// "14:03:22" becomes "2 min ago".
const tell = () => {
  for (const element of document.querySelectorAll("[data-as-of]")) {
    const time = element.querySelector(".age time");
    if (!time) continue;
    time.dataset.clock ??= time.textContent;
    if (time.dateTime !== time.dataset.of) [time.dataset.of, time.dataset.clock] = [time.dateTime, time.textContent];
    const seconds = Math.max(0, Math.round((Date.now() - Date.parse(time.dateTime)) / 1000));
    time.title = time.dataset.clock;
    time.textContent = seconds < 10 ? words.format(0, "second") : seconds < 60 ? words.format(-Math.floor(seconds / 10) * 10, "second") : seconds < 3600 ? words.format(-Math.floor(seconds / 60), "minute") : words.format(-Math.floor(seconds / 3600), "hour");
  }
};

if (document.querySelector("[data-as-of]")) {
  watch();
  tell();
  setInterval(() => { tell(); freshen(); }, 10_000);
  document.addEventListener("visibilitychange", () => { tell(); freshen(); });
  document.addEventListener("htmx:after:swap", () => { watch(); tell(); });
  // a page that is only open keeps nobody signed in
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    if (ctx.sourceEvent?.type === "refresh") ctx.request.headers["Logcafe-Refresh"] = "1";
  });
  // what cannot be had now, as while the server starts again, leaves what is there
  document.addEventListener("htmx:before:swap", (event) => {
    if (event.detail.ctx.response?.status >= 400) event.preventDefault();
  });
}

// Panels are dragged by their handle on a desk; the arrows beside them do the same everywhere.
const list = document.querySelector(".arrange");
if (list && matchMedia("(pointer: fine)").matches) {
  let dragged = null;
  const clear = () => { for (const item of list.children) item.classList.remove("over-before", "over-after"); };
  const under = (event) => {
    const item = event.target.closest(".arrange > li");
    if (!item || item === dragged) return null;
    const box = item.getBoundingClientRect();
    return { item, after: event.clientY > box.top + box.height / 2 };
  };
  for (const handle of list.querySelectorAll(".handle")) {
    const item = handle.closest("li");
    handle.addEventListener("pointerdown", () => { item.draggable = true; });
    // a text that is selected in it, or a link of it, is dragged as everywhere
    item.addEventListener("dragstart", (event) => {
      if (event.target !== item) return;
      dragged = item;
      item.classList.add("dragged");
      event.dataTransfer.effectAllowed = "move";
    });
  }
  const end = () => {
    for (const item of list.children) item.draggable = false;
    dragged?.classList.remove("dragged");
    dragged = null;
    clear();
  };
  list.addEventListener("dragend", end);
  addEventListener("pointerup", end);
  list.addEventListener("dragover", (event) => {
    if (!dragged) return;
    event.preventDefault();
    clear();
    const place = under(event);
    if (place) place.item.classList.add(place.after ? "over-after" : "over-before");
  });
  list.addEventListener("drop", (event) => {
    const place = dragged && under(event);
    if (!place) return;
    event.preventDefault();
    const others = [...list.children].filter((item) => item !== dragged);
    const to = others.indexOf(place.item) + (place.after ? 1 : 0);
    const form = dragged.querySelector(".moves");
    const field = Object.assign(document.createElement("input"), { type: "hidden", name: "to", value: String(to) });
    form.append(field);
    form.submit();
  });
}
