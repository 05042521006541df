// Keys of the keyboard: an element that says `data-key="h"` is clicked (a field is focused) when that key is pressed;
// `j` and `k` go through the lines, `?` shows what there is. The sheet is made of the page's own elements, so it never
// lists a key that does nothing here. Keys can be switched off, for those who speak to their computer (WCAG 2.1.4).
"use strict";

const sheet = document.getElementById("keys");
const OFF = "logcafe-keys-off";
const isTyping = (element) => element.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
const isSeen = (element) => element.checkVisibility();

/** Rows and other things that one goes through, in their order. */
const steps = () => [...document.querySelectorAll(".lines > .line > .meta, [data-walk]")].filter(isSeen);

function step(by) {
  const all = steps();
  if (all.length === 0) return;
  const row = document.activeElement?.closest(".line");
  const at = all.indexOf(row?.querySelector(".meta") ?? document.activeElement);
  const next = at < 0 ? all.find((one) => one.getBoundingClientRect().top >= 48) ?? all[0] : all[Math.min(Math.max(at + by, 0), all.length - 1)];
  next.focus();
  next.closest(".line, [data-walk]").scrollIntoView({ block: "nearest" });
}

function act(key) {
  const target = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find(isSeen);
  if (!target) return false;
  if (target.matches("input, textarea")) {
    target.focus();
    target.select();
  } else {
    target.click();
  }
  return true;
}

/** What a key does, in the words of the page. */
const label = (element) => element.dataset.keyLabel ?? element.getAttribute("aria-label") ?? element.textContent.trim();

function show() {
  const list = sheet.querySelector("[data-page-keys]");
  list.replaceChildren();
  const known = new Set();
  for (const element of document.querySelectorAll("[data-key]")) {
    const { key } = element.dataset;
    if (known.has(key) || !isSeen(element)) continue;
    known.add(key);
    const row = document.createElement("div");
    const name = document.createElement("dt");
    const cap = document.createElement("kbd");
    const text = document.createElement("dd");
    cap.textContent = key;
    text.textContent = label(element);
    name.append(cap);
    row.append(name, text);
    list.append(row);
  }
  sheet.querySelector("[data-line-keys]").hidden = steps().length === 0;
  sheet.showModal();
}

// What the keys of a Latin keyboard write that are not letters, without and with Shift.
const SIGNS = { Slash: "/?", BracketLeft: "[{", BracketRight: "]}" };

/** The key as a Latin keyboard has it: while one writes Hangul, `j` is ㅓ, or only said to be in process. */
function latin({ key, code, shiftKey }) {
  if (/^[ -~]$/.test(key)) return key;
  if (key !== "Process" && !/^[^ -~]$/u.test(key)) return key;
  if (SIGNS[code]) return SIGNS[code][Number(shiftKey)];
  return code.startsWith("Key") && !shiftKey ? code.at(-1).toLowerCase() : key;
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (localStorage.getItem(OFF)) return;
  const key = latin(event);
  if (sheet.open) {
    if (key === "?") sheet.close();
    return;
  }
  if (key === "?") show();
  else if (key === "j" || key === "k") step(key === "j" ? 1 : -1);
  else if (!act(key)) return;
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-show-keys]")) show();
  else if (event.target === sheet) sheet.close();
});

const use = sheet.querySelector("input");
use.checked = !localStorage.getItem(OFF);
use.addEventListener("change", () => {
  if (use.checked) localStorage.removeItem(OFF);
  else localStorage.setItem(OFF, "1");
});
