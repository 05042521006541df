// Explore with a script: a tap anywhere on a line opens it, the dock makes room while reading. Links do the rest.

// Times are shown in the zone that the browser is in. The server learns it from a cookie that app.js keeps.
const shown = document.getElementById("explore");
if (shown && shown.dataset.zone && !sessionStorage.getItem("zone-told")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  sessionStorage.setItem("zone-told", zone);
  if (zone && zone !== shown.dataset.zone && document.cookie.includes("logcafe_zone=")) location.reload();
}

const closeLine = (line) => {
  line.querySelector(":scope > .detail").replaceChildren();
  line.classList.remove("opened");
  line.querySelector(".meta").setAttribute("aria-expanded", "false");
};

// Before htmx sees it: a second tap closes the line, and selecting text is no tap.
document.addEventListener("click", (event) => {
  const line = event.target.closest(".lines > .line");
  if (!line || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const meta = line.querySelector(".meta");
  const onMeta = meta.contains(event.target);
  if (onMeta && line.classList.contains("opened")) {
    event.preventDefault();
    event.stopImmediatePropagation();
    closeLine(line);
  } else if (!onMeta && !event.target.closest("a, button, summary, input, .detail")) {
    if (getSelection().isCollapsed) meta.click();
  }
}, true);

document.addEventListener("htmx:after:swap", (event) => {
  for (const detail of document.querySelectorAll(".line:not(.opened) > .detail:not(:empty)")) {
    const line = detail.parentElement;
    if (!detail.firstElementChild) continue;
    line.classList.add("opened");
    line.querySelector(".meta").setAttribute("aria-expanded", "true");
  }
});

// Copies a line exactly as it is stored, also where the page writes out characters that are not seen.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy-url]");
  if (!button) return;
  const text = fetch(button.dataset.copyUrl).then((answer) => answer.blob());
  await navigator.clipboard.write([new ClipboardItem({ "text/plain": text.then((blob) => new Blob([blob], { type: "text/plain" })) })]);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1600);
});

// The dock goes while one scrolls down to read, and comes back on the way up.
let last = scrollY;
addEventListener("scroll", () => {
  const dock = document.querySelector(".dock");
  if (!dock || Math.abs(scrollY - last) < 12) return;
  const atEnd = scrollY + innerHeight > document.documentElement.scrollHeight - 80;
  dock.classList.toggle("away", scrollY > last && scrollY > 120 && !atEnd);
  last = scrollY;
}, { passive: true });
