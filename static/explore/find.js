// Find with a script: the LogQL box is coloured while one types and knows what can come next; lists narrow as one types.
// The letters stay the textarea's own, so input methods, undo and selection are the browser's.

// What a query is made of, by the rules of the server's own cutting. Words are keywords, functions only before a bracket.
const WORDS = new Set("by without bool json regexp logfmt line_format label_format unwrap unpack offset pattern ip on ignoring group_left group_right decolorize drop keep variants of or and unless".split(" "));
const FUNCTIONS = new Set("rate rate_counter count_over_time bytes_rate bytes_over_time absent_over_time sum_over_time avg_over_time min_over_time max_over_time stdvar_over_time stddev_over_time quantile_over_time first_over_time last_over_time sum avg count max min stddev stdvar topk bottomk approx_topk sort sort_desc duration duration_seconds bytes vector label_replace ip".split(" "));
const PIECE = /(?<blank>\s+)|(?<comment>#.*|\/\/.*|\/\*[^]*?\*\/)|(?<number>\[[^\]]*\]|\d[\p{L}\p{N}.]*)|(?<string>"(?:\\.|[^"\\\n])*"|`[^`]*`)|(?<flag>--strict|--keep-empty)|(?<word>[\p{L}_][\p{L}\p{N}_]*)|(?<operator>[!|][=~>]|=[~=]|[<>]=|[=|<>+\-*\/%^.])|(?<bracket>[{}(),\]])|(?<error>"(?:\\.|[^"\\\n])*|`[^]*|\[[^]*|[^])/uy;
const CALL = /^\s*(\(|(by|without)\s*\()/i;

const paint = (text, layer) => {
  const pieces = [];
  PIECE.lastIndex = 0;
  for (let match; PIECE.lastIndex < text.length && (match = PIECE.exec(text)); ) {
    const [kind] = Object.entries(match.groups).find(([, found]) => found !== undefined);
    if (kind === "blank") { pieces.push(match[0]); continue; }
    const piece = document.createElement("i");
    const lower = match[0].toLowerCase();
    const known = kind === "word" && (FUNCTIONS.has(lower) ? CALL.test(text.slice(PIECE.lastIndex)) : WORDS.has(lower));
    piece.className = `ql-${kind === "flag" || known ? "keyword" : kind === "word" ? "label" : kind}`;
    piece.textContent = match[0];
    pieces.push(piece);
  }
  // an empty last line has its height too
  layer.replaceChildren(...pieces, "\u200b");
};

const asked = (form, extra) => {
  const params = new URLSearchParams(new FormData(form));
  for (const name of ["filter", "filter_name", "filter_text", "find", "contains"]) params.delete(name);
  for (const [name, value] of Object.entries(extra)) params.set(name, value);
  return `/explore/complete?${params}`;
};

const listOf = (box) => document.getElementById(box.getAttribute("aria-controls"));
const isOpen = (box) => box.getAttribute("aria-expanded") === "true";

const shut = (box) => {
  box.asking?.abort();
  clearTimeout(box.waiting);
  box.setAttribute("aria-expanded", "false");
  box.removeAttribute("aria-activedescendant");
  listOf(box).hidden = true;
};

const choose = (box, index) => {
  const options = [...listOf(box).children];
  const at = options.length ? (index + options.length) % options.length : -1;
  options.forEach((option, position) => option.setAttribute("aria-selected", String(position === at)));
  if (at < 0) return;
  box.setAttribute("aria-activedescendant", options[at].id);
  options[at].scrollIntoView({ block: "nearest" });
};

const chosen = (box) => [...listOf(box).children].findIndex((option) => option.getAttribute("aria-selected") === "true");

const take = (box, option) => {
  const { from, to } = box.place;
  shut(box);
  box.focus();
  box.setSelectionRange(from, to);
  // so that it can be undone like any other letter; the other way is for browsers without it
  if (!document.execCommand("insertText", false, option.dataset.insert)) {
    box.setRangeText(option.dataset.insert, from, to, "end");
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }
};

const show = (box, answer) => {
  const list = listOf(box);
  const typed = box.value.slice(answer.from, answer.to);
  const choices = answer.choices.filter((choice) => choice.insert !== typed);
  list.replaceChildren(...choices.map((choice, index) => {
    const option = document.createElement("li");
    option.role = "option";
    option.id = `${list.id}-${index}`;
    option.dataset.insert = choice.insert;
    option.setAttribute("aria-selected", "false");
    const text = document.createElement("bdi");
    text.textContent = choice.text;
    const about = document.createElement("span");
    about.textContent = choice.about;
    option.append(text, about);
    return option;
  }));
  box.place = answer;
  list.hidden = choices.length === 0;
  list.scrollTop = 0;
  box.setAttribute("aria-expanded", String(choices.length > 0));
  box.removeAttribute("aria-activedescendant");
};

const complete = (box, delay) => {
  box.asking?.abort();
  clearTimeout(box.waiting);
  box.waiting = setTimeout(async () => {
    if (box.composing || box.selectionStart !== box.selectionEnd) return;
    const asking = (box.asking = new AbortController());
    const [query, at] = [box.value, box.selectionStart];
    try {
      const answer = await fetch(asked(box.form, { query, at }), { signal: asking.signal, headers: { accept: "application/json" } });
      // a session that has ended answers with the way in; nothing is worth saying about it here
      if (!answer.ok || !answer.headers.get("content-type")?.includes("json")) return;
      const found = await answer.json();
      if (!asking.signal.aborted && box.value === query && document.activeElement === box) show(box, found);
    } catch (error) {
      if (error.name !== "AbortError") shut(box);
    }
  }, delay);
};

const dress = (box) => {
  const editor = box.closest(".editor");
  if (!editor || editor.classList.contains("painted")) return;
  const layer = editor.querySelector(".layer");
  editor.classList.add("painted");
  const list = document.createElement("ul");
  list.className = "choices";
  list.role = "listbox";
  list.id = "query-choices";
  list.hidden = true;
  list.setAttribute("aria-label", box.dataset.choices);
  editor.after(list);
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-haspopup", "listbox"], ["aria-controls", list.id], ["aria-expanded", "false"]]) box.setAttribute(name, value);
  paint(box.value, layer);
  const told = box.form.parentElement.querySelector(".explained");
  box.addEventListener("input", () => {
    paint(box.value, layer);
    // the words are those of the query that is shown
    if (told) told.hidden = box.value !== box.defaultValue;
    complete(box, 120);
  });
  box.addEventListener("compositionstart", () => { box.composing = true; shut(box); });
  box.addEventListener("compositionend", () => { box.composing = false; complete(box, 120); });
  box.addEventListener("click", () => complete(box, 0));
  box.addEventListener("blur", () => shut(box));
  // the caret stays in the box, and a list that is scrolled by a finger is not tapped
  list.addEventListener("pointerdown", (event) => { if (event.pointerType === "mouse") event.preventDefault(); });
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    event.stopPropagation();
    const option = event.target.closest("[role=option]");
    if (option) take(box, option);
  });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const [open, at] = [isOpen(box), chosen(box)];
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      box.form.requestSubmit();
    } else if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      complete(box, 0);
    } else if (open && event.key === "ArrowDown") {
      event.preventDefault();
      choose(box, at + 1);
    } else if (open && event.key === "ArrowUp") {
      event.preventDefault();
      choose(box, at < 0 ? -1 : at - 1);
    } else if (open && at >= 0 && (event.key === "Enter" || event.key === "Tab")) {
      event.preventDefault();
      take(box, listOf(box).children[at]);
    } else if (open && event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      shut(box);
    } else if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key) && open) {
      shut(box);
    }
  });
};

const dressAll = () => document.querySelectorAll(".editor textarea").forEach(dress);
dressAll();
document.addEventListener("htmx:after:swap", dressAll);

// Names and values of labels and fields for the form of filters.
const fill = async (list, form, query) => {
  if (!list || list.asked === query) return;
  list.asked = query;
  const answer = await fetch(asked(form, { query, at: query.length })).catch(() => null);
  if (!answer?.ok || !answer.headers.get("content-type")?.includes("json")) return;
  const { choices } = await answer.json();
  if (list.asked === query) list.replaceChildren(...choices.map(({ text }) => new Option(text)));
};
const fields = (form) => fill(form.querySelector("#filter-names"), form, "{} | drop ");
document.addEventListener("focusin", (event) => {
  const form = event.target.closest(".filter-form");
  if (!form) return;
  if (event.target.name === "filter_name") fields(form);
  if (event.target.name !== "filter_text") return;
  const list = form.querySelector("#filter-values");
  const name = form.elements.filter_name.value.trim();
  if (form.elements.filter.value.startsWith("is") && /^[A-Za-z_]\w*$/.test(name)) fill(list, form, `{} | ${name} = `);
  else { list.asked = ""; list.replaceChildren(); }
});
document.addEventListener("change", (event) => {
  if (event.target.name === "filter" && event.target.value.startsWith("is")) event.target.form.elements.filter_name.focus();
});

// Labels and values that have what is typed in their name. Enter looks through all there are.
document.addEventListener("input", (event) => {
  const form = event.target.closest(".find-form");
  if (!form) return;
  const text = event.target.value.trim().toLowerCase();
  for (const facet of form.parentElement.querySelectorAll(".facet")) {
    const whole = facet.querySelector("h3").textContent.toLowerCase().includes(text);
    let shown = 0;
    for (const choice of facet.querySelectorAll(".choice")) {
      choice.hidden = !whole && !choice.querySelector("bdi").textContent.toLowerCase().includes(text);
      shown += choice.hidden ? 0 : 1;
    }
    facet.hidden = shown === 0;
  }
});
