// A line with a script: a tap opens its sheet over (or beside) the lines, and the next tap, ✕, Escape or Back closes it.
//
// Promises: the address is that of the line's own page while the sheet is open, so that a reload shows the line; Back
// leads to the lines as they were, without loading them again. Links stay links: a tap with a key opens a tab.

const WIDE = matchMedia("(min-width: 64rem)");
const sheetOf = () => document.getElementById("line-sheet");
const bodyOf = (sheet) => sheet.querySelector(".sheet-body");
const isPlain = (event) => event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
const isOpen = () => sheetOf()?.open ?? false;

/** The view whose rows the document shows. */
let view = location.href;
/** The row that the sheet tells of; none where it is not on the page. */
let row = null;
let request = new AbortController();

const keyOf = (line) => new URL(line.querySelector(".meta").href).searchParams.get("line");
const lines = () => [...document.querySelectorAll(".lines > .line")];

function point(next) {
  for (const line of document.querySelectorAll(".line.opened")) {
    line.classList.remove("opened");
    line.querySelector(".meta").removeAttribute("aria-expanded");
  }
  row = next;
  row?.classList.add("opened");
  row?.querySelector(".meta").setAttribute("aria-expanded", "true");
}

/** Puts the sheet of `url` into the dialog. Answers the address that it came from. */
async function load(url, { keeps = false } = {}) {
  request.abort();
  request = new AbortController();
  const { signal } = request;
  const sheet = sheetOf();
  const body = bodyOf(sheet);
  sheet.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, { headers: { "HX-Request": "true", "HX-Request-Type": "partial" }, signal });
    const landed = new URL(answer.url);
    if (landed.pathname !== "/explore/line") return location.assign(url);
    const html = await answer.text();
    if (signal.aborted) return null;
    const top = body.scrollTop;
    body.innerHTML = html;
    body.scrollTop = keeps ? top : 0;
    if (document.getElementById("explore")) htmx.process(body);
    return landed;
  } catch (error) {
    if (error.name !== "AbortError") location.assign(url);
    return null;
  } finally {
    if (!signal.aborted) sheet.removeAttribute("aria-busy");
  }
}

function reveal() {
  const sheet = sheetOf();
  if (sheet.open) return;
  const top = row?.getBoundingClientRect().top;
  if (WIDE.matches) sheet.show();
  else sheet.showModal();
  // lines wrap anew beside the sheet; the tapped one stays where it was
  if (row) scrollBy(0, row.getBoundingClientRect().top - top);
}

function open(line, url) {
  const state = { htmx: true, line: url, view };
  if (isOpen()) {
    history.replaceState(state, "", url);
  } else {
    if (!history.state?.htmx) history.replaceState({ htmx: true }, "", location.href);
    view = location.href;
    history.pushState({ ...state, view }, "", url);
    bodyOf(sheetOf()).replaceChildren();
  }
  point(line);
  reveal();
  load(url);
}

/** Hides the sheet, and leaves the address to whoever changed it. */
function hide({ refocus = true } = {}) {
  const sheet = sheetOf();
  if (!sheet?.open) return;
  request.abort();
  const top = row?.isConnected ? row.getBoundingClientRect().top : null;
  const last = row;
  sheet.close();
  point(null);
  if (!last?.isConnected) return;
  scrollBy(0, last.getBoundingClientRect().top - top);
  if (refocus) last.querySelector(".meta").focus({ preventScroll: true });
}

function close() {
  if (!isOpen()) return;
  if (history.state?.line) history.back();
  else hide();
}

// Before htmx sees it. Selecting text is no tap.
document.addEventListener("click", (event) => {
  const line = event.target.closest(".lines > .line");
  if (!line || !sheetOf() || !isPlain(event)) return;
  const link = line.querySelector(".meta");
  const other = event.target.closest("a, button, summary, input, label");
  const leadsHere = other && other.pathname === "/explore/line" && other.getAttribute("href") === link.getAttribute("href");
  if (other && !leadsHere) return;
  if (!other && !getSelection().isCollapsed) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (isOpen() && row === line) close();
  else open(line, link.href);
}, true);

/** To the line before or after in time: on the page where it is there, else the server finds it. */
async function step(link) {
  const all = lines();
  const at = all.indexOf(row);
  const isBackward = document.querySelector("ol.lines")?.dataset.order === "backward";
  const isUp = (link.dataset.lineStep === "newer") === isBackward;
  const next = at < 0 ? null : all[at + (isUp ? -1 : 1)];
  if (next) {
    open(next, next.querySelector(".meta").href);
    next.scrollIntoView({ block: "nearest" });
  } else {
    const landed = await load(link.href);
    if (!landed || landed.searchParams.has("step")) return;
    point(all.find((line) => keyOf(line) === landed.searchParams.get("line")) ?? null);
    history.replaceState({ htmx: true, line: landed.href, view }, "", landed.href);
  }
}

document.addEventListener("click", (event) => {
  const sheet = event.target.closest("#line-sheet");
  if (!sheet || !isPlain(event)) return;
  const rect = sheet.getBoundingClientRect();
  const onShade = event.target === sheet && (event.clientY < rect.top || event.clientX < rect.left || event.clientX > rect.right);
  if (onShade || event.target.closest(".sheet-bar button")) {
    event.preventDefault();
    return close();
  }
  const link = event.target.closest("a");
  if (!link) return;
  if (link.dataset.lineStep) {
    event.preventDefault();
    step(link);
  } else if ("inSheet" in link.dataset) {
    event.preventDefault();
    const url = link.href.split("#")[0];
    load(url, { keeps: true }).then((landed) => landed && history.replaceState({ htmx: true, line: url, view }, "", url));
  } else if (link.pathname === "/explore" && !("share" in link.dataset)) {
    hide({ refocus: false });
  }
});

document.addEventListener("cancel", (event) => {
  if (event.target !== sheetOf()) return;
  event.preventDefault();
  close();
}, true);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && isOpen() && !sheetOf().matches(":modal") && !document.querySelector("details.menu[open], dialog:modal")) close();
});
document.addEventListener("logcafe:close-line", close);

// Back and forward between the lines and the sheet need nothing from the server.
document.addEventListener("htmx:before:history:restore", (event) => {
  if (isOpen() && location.href === view) {
    event.preventDefault();
    hide();
  } else if (!isOpen() && sheetOf() && history.state?.line && history.state.view === view) {
    event.preventDefault();
    const key = new URL(location.href).searchParams.get("line");
    point(lines().find((line) => keyOf(line) === key) ?? null);
    reveal();
    load(history.state.line);
  } else if (isOpen() && history.state?.line) {
    event.preventDefault();
    load(history.state.line);
  }
});
document.addEventListener("htmx:after:history:update", () => { if (!history.state?.line) view = location.href; });
document.addEventListener("htmx:after:swap", () => { if (!history.state?.line) view = location.href; });

// A link to a line opens at it, also where it says so only in its query.
function goToLine() {
  if (location.pathname === "/explore" && new URLSearchParams(location.search).has("line")) {
    document.getElementById("line")?.scrollIntoView({ block: "center" });
  }
}
if (!location.hash && performance.getEntriesByType("navigation")[0]?.type !== "back_forward") goToLine();

const told = (button, text) => {
  button.dataset.label ??= button.textContent;
  button.textContent = text;
  setTimeout(() => { button.textContent = button.dataset.label; }, 1600);
};

// Copies what an address answers, letter by letter, also where the page writes out characters that are not seen.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy-url]");
  if (!button) return;
  const text = fetch(button.dataset.copyUrl).then((answer) => {
    // whoever is not signed in any more is led to the way in, which is not the line
    if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
    return answer.blob();
  });
  try {
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": text.then((blob) => new Blob([blob], { type: "text/plain" })) })]);
    told(button, button.dataset.copied);
  } catch {
    told(button, button.dataset.failed);
  }
});

// A link to hand on: the phone's own sheet, else the clipboard.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-share]");
  if (!link || !isPlain(event)) return;
  const isPhone = matchMedia("(pointer: coarse)").matches && navigator.share;
  if (!isPhone && !navigator.clipboard) return;
  event.preventDefault();
  try {
    if (isPhone) return await navigator.share({ url: link.href });
    await navigator.clipboard.writeText(link.href);
    told(link, link.dataset.copied);
  } catch (error) {
    if (error.name !== "AbortError") told(link, link.dataset.failed);
  }
});

document.addEventListener("input", (event) => {
  const box = event.target.closest("[data-find-field]");
  if (!box) return;
  const wanted = box.value.trim().toLowerCase();
  for (const group of box.closest(".sheet-line").querySelectorAll(".known-group")) {
    let seen = 0;
    for (const field of group.querySelectorAll(".known")) {
      field.hidden = !field.querySelector("summary").textContent.toLowerCase().includes(wanted);
      if (!field.hidden) seen += 1;
    }
    group.hidden = seen === 0;
  }
});
