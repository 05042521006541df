// Time with a script: what is typed is read as one types, bars are dragged over to zoom, arrow keys go from bar to bar,
// and jumps begin at the line one reads. Without it the same is done by links and forms.

const go = (url) => {
  if (window.htmx && document.getElementById("explore")) {
    window.htmx.ajax("GET", url, { target: "#explore", swap: "innerHTML", push: url });
  } else {
    location.assign(url);
  }
};

// The reading of the fields
let waiting;
let asked = 0;
document.addEventListener("input", (event) => {
  const form = event.target.closest(".time .span-form");
  const reading = document.getElementById("reading");
  if (!form || !form.contains(reading)) return;
  clearTimeout(waiting);
  waiting = setTimeout(async () => {
    const mine = (asked += 1);
    const given = new FormData(form);
    const fields = new URLSearchParams(["typed", "from", "to", "zone"].map((name) => [name, given.get(name) ?? ""]));
    const answer = await fetch(`/explore/time?${fields}`).catch(() => undefined);
    if (mine !== asked || !reading.isConnected) return;
    // the session is over: the way in is a page of its own, never a part of this form
    if (answer?.redirected) return location.reload();
    if (!answer?.ok) return;
    const text = await answer.text();
    if (reading.isConnected) reading.innerHTML = text;
  }, 250);
});

// The bars: a drag selects a range, with a mouse and with a finger. The browser keeps the ways up and down.
const START_PX = 8;
let drag;

const clock = (figure, millis) => {
  const zone = figure.dataset.zone.replace(/^UTC(?=[+-])/, "");
  const long = Number(figure.dataset.step) * Number(figure.dataset.bars) > 86400e3;
  const style = { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  if (long) Object.assign(style, { day: "numeric", month: "short", second: undefined });
  return new Intl.DateTimeFormat(document.documentElement.lang === "ko" ? "ko" : "en-GB", style).format(millis);
};

const chosen = (x) => {
  const { figure, box, from } = drag;
  const count = Number(figure.dataset.bars);
  const at = (px) => Math.min(count, Math.max(0, ((px - box.left) / box.width) * count));
  const first = Math.floor(at(Math.min(from, x)));
  const last = Math.max(first + 1, Math.ceil(at(Math.max(from, x))));
  const millis = (bar) => Number(figure.dataset.start) + bar * Number(figure.dataset.step);
  return { first, last, count, start: millis(first), end: millis(last) };
};

const undraw = () => {
  drag?.rect?.remove();
  drag?.label?.remove();
  drag = undefined;
};

addEventListener("pointerdown", (event) => {
  const svg = event.target.closest?.(".histogram svg:not(.axis)");
  if (!svg || event.button !== 0 || !event.isPrimary) return;
  drag = { figure: svg.closest("figure"), svg, box: svg.getBoundingClientRect(), from: event.clientX, id: event.pointerId };
});

addEventListener("pointermove", (event) => {
  if (!drag || event.pointerId !== drag.id) return;
  if (!drag.rect) {
    if (Math.abs(event.clientX - drag.from) < START_PX) return;
    drag.svg.setPointerCapture(event.pointerId);
    drag.rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({ class: "chosen", y: 0, height: 64 })) drag.rect.setAttribute(name, value);
    drag.svg.append(drag.rect);
    drag.label = document.createElement("output");
    drag.label.className = "chosen-span";
    drag.figure.append(drag.label);
  }
  const { first, last, count, start, end } = chosen(event.clientX);
  drag.rect.setAttribute("x", (first / count) * 1200);
  drag.rect.setAttribute("width", ((last - first) / count) * 1200);
  drag.label.textContent = `${clock(drag.figure, start)} – ${clock(drag.figure, end)}`;
});

addEventListener("pointerup", (event) => {
  if (!drag || event.pointerId !== drag.id) return;
  if (drag.rect) {
    const { start, end } = chosen(event.clientX);
    const url = new URL(drag.figure.dataset.href, location.origin);
    url.searchParams.set("from", new Date(start).toISOString());
    url.searchParams.set("to", new Date(end).toISOString());
    // the click that ends a drag is no tap on a bar
    const swallow = (click) => {
      click.preventDefault();
      click.stopImmediatePropagation();
    };
    addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", swallow, true), 50);
    go(url.pathname + url.search);
  }
  undraw();
});

addEventListener("pointercancel", undraw);
addEventListener("keydown", (event) => {
  if (event.key === "Escape") undraw();
});
// bars are links, and links are dragged away by default
addEventListener("dragstart", (event) => {
  if (event.target.closest?.(".histogram")) event.preventDefault();
});

// One stop of the Tab key for all bars; the arrows go on from there.
addEventListener("keydown", (event) => {
  const bar = event.target.closest?.(".histogram a");
  const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
  if (!bar || !step) return;
  const bars = [...bar.closest("svg").querySelectorAll("a")];
  const next = bars[Math.min(bars.length - 1, Math.max(0, bars.indexOf(bar) + step))];
  bar.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
  event.preventDefault();
});

// A jump begins at the line that one reads: the one that the address opens at while it is seen, else the topmost.
const placeOf = () => {
  const bar = document.querySelector(".bar")?.getBoundingClientRect().bottom ?? 0;
  const seen = (row) => {
    const box = row.getBoundingClientRect();
    return box.bottom > bar + 8 && box.top < innerHeight;
  };
  const rows = [...document.querySelectorAll(".lines > .line")];
  const anchored = rows.find((row) => row.id === "line" && seen(row));
  return (anchored ?? rows.find(seen))?.querySelector("time")?.getAttribute("datetime");
};

const nanos = (text) => {
  const [, whole, fraction = ""] = /^([^.]*?)(?:\.(\d+))?(?:Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  const zone = /(Z|[+-]\d\d:\d\d)$/.exec(text)?.[1];
  if (!whole || !zone) return undefined;
  return BigInt(Date.parse(whole + zone)) * 1000000n + BigInt(fraction.padEnd(9, "0"));
};

addEventListener("click", (event) => {
  const link = event.target.closest?.(".jumps a, a[data-jump]");
  const place = link && nanos(placeOf() ?? "");
  if (!place) return;
  const url = new URL(link.href);
  url.searchParams.set("at", String(place));
  link.href = url.pathname + url.search;
}, true);

// The jumps go along while one reads, as they begin there.
const float = () => {
  const jump = document.querySelector(".about > .jump");
  const bar = document.querySelector(".bar")?.getBoundingClientRect().bottom ?? 0;
  jump?.classList.toggle("afloat", jump.parentElement.getBoundingClientRect().bottom < bar);
};
addEventListener("scroll", float, { passive: true });
document.addEventListener("htmx:after:settle", float);
float();
