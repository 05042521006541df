// Copying lines gives what is stored, byte for byte, also where the page shows it otherwise: names of characters that are
// not seen, colours, a message with its fields, the head of a long line. Whole rows come as their lines; a part of a row
// as it is selected. "Select lines" puts a box beside each row, for fingers.

const listOf = () => document.querySelector("ol.lines");
const linesOf = (list) => [...list.querySelectorAll(":scope > .line")];
const contentsOf = (row) => [...row.querySelectorAll(":scope > .text, :scope > .fold:not(.same) > .rest")];

/** The keys of the lines that a row holds, in order. */
const keysOf = (row) => {
  const key = new URL(row.querySelector(".meta").href, location.href).searchParams.get("line");
  return [key, ...(row.dataset.x ?? "").split(" ").filter(Boolean)];
};

/** What stands in a part of a row, with names turned back into characters and colours into their sequences. */
const textOf = (node) => {
  const copy = node.cloneNode(true);
  for (const name of copy.querySelectorAll("i.control")) {
    if (/^U\+[0-9A-F]{4,6}$/.test(name.textContent)) name.textContent = String.fromCodePoint(parseInt(name.textContent.slice(2), 16));
  }
  for (const sequence of copy.querySelectorAll("i[data-e]")) sequence.textContent = `\u001b[${sequence.dataset.e}`;
  return copy.textContent;
};

// What the server answered, by key, for copies to come. A copy holds what it needs by itself.
const known = new Map();
const KNOWN_MAX = 2000;
const PORTION = 100;

const keep = (texts) => {
  for (const [key, text] of texts) known.set(key, text);
  for (const key of known.keys()) {
    if (known.size <= KNOWN_MAX) break;
    known.delete(key);
  }
};
const needed = (rows) => [...new Set(rows.filter((row) => "x" in row.dataset).flatMap(keysOf))];
const isKnown = (rows) => needed(rows).every((key) => known.has(key));

/** Yields address after address, takes what they answer, and ends with the stored lines of the rows, by key. */
function* asking(rows) {
  const keys = needed(rows);
  const texts = new Map(keys.filter((key) => known.has(key)).map((key) => [key, known.get(key)]));
  const unknown = keys.filter((key) => !texts.has(key));
  const portions = Array.from({ length: Math.ceil(unknown.length / PORTION) }, (_, index) => unknown.slice(index * PORTION, (index + 1) * PORTION));
  while (portions.length) {
    const portion = portions.shift();
    const { status, body } = yield `/explore/copy?${new URLSearchParams({ lines: portion.join(",") })}`;
    if (status === 413 && portion.length > 1) {
      const half = portion.length >> 1;
      portions.unshift(portion.slice(0, half), portion.slice(half));
      continue;
    }
    if (status !== 200) throw new Error(String(status));
    // whoever is not signed in any more is led to the way in, which is no list of lines
    const found = JSON.parse(body);
    portion.forEach((key, index) => { if (found[index] !== null) texts.set(key, found[index]); });
  }
  keep(texts);
  return texts;
}
const learn = async (rows) => {
  const steps = asking(rows);
  let step = steps.next();
  while (!step.done) {
    const answer = await fetch(step.value, { headers: { accept: "application/json" } });
    step = steps.next({ status: answer.status, body: await answer.text() });
  }
  return step.value;
};
/** As above where an answer cannot be waited for: an insecure address has no clipboard that takes a promise. */
const learnNow = (rows) => {
  const steps = asking(rows);
  let step = steps.next();
  while (!step.done) {
    const request = new XMLHttpRequest();
    request.open("GET", step.value, false);
    request.send();
    step = steps.next({ status: request.status, body: request.responseText });
  }
  return step.value;
};

/** The stored lines of a row; what is not stored any more, as it is shown. */
const storedOf = (row, texts) => {
  const shown = () => contentsOf(row).map(textOf).join("\n");
  if (!("x" in row.dataset)) return shown();
  const lines = keysOf(row).map((key) => texts.get(key));
  return lines.every((line) => line !== undefined) ? lines.join("\n") : shown();
};

/** The rows that a selection touches: which are selected whole, and what is selected of the others. */
const selected = () => {
  const selection = getSelection();
  const list = listOf();
  if (!list || selection.isCollapsed || !selection.rangeCount) return [];
  const range = selection.getRangeAt(0);
  const inside = range.commonAncestorContainer.nodeType === 1 ? range.commonAncestorContainer : range.commonAncestorContainer.parentElement;
  if (inside.closest(".detail, .meta, .same") || !range.intersectsNode(list)) return [];
  const parts = [];
  for (const row of linesOf(list)) {
    if (!range.intersectsNode(row)) continue;
    const contents = contentsOf(row);
    const all = document.createRange();
    all.setStart(contents[0], 0);
    all.setEnd(contents.at(-1), contents.at(-1).childNodes.length);
    const edge = (start, node) => {
      // where the first letter begins or the last one ends, whatever elements stand around it
      const walker = document.createTreeWalker(all.commonAncestorContainer, NodeFilter.SHOW_TEXT);
      let found = null;
      while (walker.nextNode()) {
        if (!walker.currentNode.data || !contents.some((content) => content.contains(walker.currentNode))) continue;
        found = walker.currentNode;
        if (start) break;
      }
      return found ?? node;
    };
    const [first, last] = [edge(true, contents[0]), edge(false, contents.at(-1))];
    if (range.comparePoint(first, 0) === 0 && range.comparePoint(last, last.nodeType === 3 ? last.data.length : last.childNodes.length) === 0) {
      parts.push({ row, whole: true });
      continue;
    }
    const texts = contents.filter((content) => range.intersectsNode(content)).map((content) => {
      const part = document.createRange();
      part.selectNodeContents(content);
      if (range.compareBoundaryPoints(Range.START_TO_START, part) > 0) part.setStart(range.startContainer, range.startOffset);
      if (range.compareBoundaryPoints(Range.END_TO_END, part) < 0) part.setEnd(range.endContainer, range.endOffset);
      return textOf(part.cloneContents());
    });
    if (texts.some(Boolean)) parts.push({ row, whole: false, text: texts.filter(Boolean).join("\n") });
  }
  return parts;
};

const wholeOf = (parts) => parts.filter((part) => part.whole).map((part) => part.row);
const joined = (parts, texts) => parts.map((part) => (part.whole ? storedOf(part.row, texts) : part.text)).join("\n");

// What will be needed is asked for while one still selects.
let settled;
document.addEventListener("selectionchange", () => {
  clearTimeout(settled);
  if (getSelection().isCollapsed) return;
  settled = setTimeout(() => {
    const rows = wholeOf(selected());
    if (rows.length) learn(rows).catch(() => {});
  }, 150);
});

/** Puts a text on the clipboard that is still being found; null where the browser gives no such way. */
const writeLater = (finding) => {
  if (!navigator.clipboard?.write || !window.ClipboardItem) return null;
  const blob = finding.then((text) => new Blob([text], { type: "text/plain" }));
  return navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
};

/** Says that nothing was copied, for whoever pressed keys. */
const tellFailure = () => {
  document.querySelector(".copy-failed")?.remove();
  const told = Object.assign(document.createElement("div"), { className: "pick-bar copy-failed" });
  const text = Object.assign(document.createElement("p"), { role: "alert", textContent: listOf()?.dataset.failed });
  told.append(text);
  document.body.append(told);
  setTimeout(() => told.remove(), 4000);
};

document.addEventListener("copy", (event) => {
  if (event.target.closest?.("input, textarea")) return;
  const parts = selected();
  if (!parts.length) return;
  const rows = wholeOf(parts);
  event.preventDefault();
  const writing = isKnown(rows) ? null : writeLater(learn(rows).then((texts) => joined(parts, texts)));
  if (writing) {
    writing.catch(tellFailure);
    return;
  }
  try {
    event.clipboardData.setData("text/plain", joined(parts, learnNow(rows)));
  } catch {
    tellFailure();
  }
});

// Selecting rows with a finger.

const PICKING = ".pick-bar:not(.copy-failed)";
let lastPicked = null;
const boxOf = (row) => row.querySelector(":scope > .pick-box");
const picked = () => linesOf(listOf()).filter((row) => boxOf(row)?.checked);

const addBoxes = (list) => {
  for (const row of linesOf(list)) {
    if (boxOf(row)) continue;
    const box = document.createElement("input");
    Object.assign(box, { type: "checkbox", className: "pick-box", ariaLabel: list.dataset.pick });
    row.prepend(box);
  }
};

const tell = () => {
  const list = listOf();
  const bar = document.querySelector(PICKING);
  if (!bar) return;
  const count = picked().length;
  bar.querySelector("p").textContent = count ? list.dataset.selected.replace("#", count) : list.dataset.none;
  bar.querySelector(".primary").disabled = !count;
};

const endPicking = () => {
  const list = listOf();
  list.watcher?.disconnect();
  list.classList.remove("selecting");
  for (const box of list.querySelectorAll(".pick-box")) box.remove();
  document.querySelector(PICKING)?.remove();
};

const copyPicked = async (button) => {
  const say = listOf().dataset;
  const rows = picked();
  const finding = learn(rows).then((texts) => rows.map((row) => storedOf(row, texts)).join("\n"));
  try {
    const writing = writeLater(finding);
    if (writing) await writing;
    else {
      const field = Object.assign(document.createElement("textarea"), { value: await finding, className: "sr-only" });
      document.body.append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      if (!done) throw new Error("no clipboard");
    }
    button.textContent = say.copied;
  } catch {
    button.textContent = say.failed;
  }
  setTimeout(() => { button.textContent = say.copyText; }, 1600);
};

const beginPicking = () => {
  const list = listOf();
  list.classList.add("selecting");
  addBoxes(list);
  list.watcher = new MutationObserver(() => addBoxes(list));
  list.watcher.observe(list, { childList: true });
  const bar = Object.assign(document.createElement("div"), { className: "pick-bar" });
  const count = Object.assign(document.createElement("p"), { role: "status" });
  const copy = Object.assign(document.createElement("button"), { type: "button", className: "primary", textContent: list.dataset.copyText });
  const done = Object.assign(document.createElement("button"), { type: "button", textContent: list.dataset.done });
  copy.addEventListener("click", () => copyPicked(copy));
  done.addEventListener("click", endPicking);
  bar.append(count, copy, done);
  list.after(bar);
  tell();
};

// Before others see the tap, which would open the line.
addEventListener("click", (event) => {
  if (event.target.closest("[data-select]")) {
    event.target.closest("details").open = false;
    if (!document.querySelector(PICKING)) beginPicking();
    return;
  }
  const row = event.target.closest(".selecting > .line");
  if (!row) return;
  const box = boxOf(row);
  if (event.target !== box) {
    event.preventDefault();
    box.checked = !box.checked;
  }
  event.stopImmediatePropagation();
  if (event.shiftKey && lastPicked?.isConnected) {
    const rows = linesOf(listOf());
    const [from, to] = [rows.indexOf(lastPicked), rows.indexOf(row)].sort((a, b) => a - b);
    for (const between of rows.slice(from, to)) boxOf(between).checked = box.checked;
  }
  lastPicked = row;
  tell();
}, true);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.querySelector(PICKING)) endPicking();
});
