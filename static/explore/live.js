// Live: new lines come in as they are stored.
//
// Promises: the words say how it stands, never silently dead: Live, Paused (and how many are new), Reconnecting, Ended
// (when and why). Lines stay where one reads: who scrolls away from the newest line, opens a line or selects text pauses
// it. After sleep, or when the server was away, what came meanwhile is put in, or a row says how much is missing. The
// page holds a bounded number of rows and takes new ones in once per frame.
//
// An EventSource of our own and not hx-sse: rows have to find their place (late lines, entries that grow, headings of
// days), wait while one reads, and be counted; hx-sse swaps what comes as it comes. EventSource does the parsing; the
// waiting between tries is ours, as the browser's own gives up for good at the first 502 of a proxy.

const ROWS_MAX = 500;
const SILENCE_MAX = 40_000;
const HIDDEN_MAX = 15_000;
const RETRY_MAX = 15_000;
const CALM_ROWS = 10;
const CALM_WITHIN = 10_000;
const AWAY_PX = 48;

const clock = () => new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(new Date());

// Times in nanoseconds have more digits than numbers here; all are of this epoch.
const isNewer = (one, other) => (one.length === other.length ? one > other : one.length > other.length);
const keyOf = (line) => {
  line.liveKey ??= new URL(line.querySelector(".meta")?.href ?? "", location.href).searchParams.get("line") ?? "0.0";
  return line.liveKey;
};
const nanosOf = (line) => keyOf(line).split(".")[0];
const isLine = (item) => item.classList.contains("line");
const isGap = (item) => item.liveGap !== undefined;
/** The time of a row; of a row for what is missing, until when that goes. */
const timeOf = (item) => (isLine(item) ? nanosOf(item) : item.liveGap.place);

class Live {
  constructor(strip) {
    this.strip = strip;
    this.say = strip.dataset;
    this.list = document.querySelector("ol.lines");
    this.forward = this.say.order === "forward";
    this.after = this.say.after;
    this.clear();
    this.lateness = 0n;
    this.tries = 0;
    this.arrivals = [];
    this.gone = new AbortController();
    this.button = strip.querySelector(".live-act");
    this.button.hidden = false;
    this.button.addEventListener("click", () => this.act());
    const on = (target, name, what) => target.addEventListener(name, what, { passive: true, signal: this.gone.signal });
    on(window, "scroll", () => this.look());
    on(window, "resize", () => this.look());
    on(document, "selectionchange", () => this.look());
    for (const name of ["click", "keyup"]) on(document, name, () => requestAnimationFrame(() => this.look()));
    on(window, "popstate", () => requestAnimationFrame(() => this.look()));
    on(document, "htmx:after:swap", () => this.look());
    on(document, "visibilitychange", () => this.seen());
    on(window, "online", () => this.retry());
    on(window, "offline", () => this.lost());
    on(window, "pageshow", (event) => { if (event.persisted) this.retry(); });
    on(window, "pagehide", () => this.close());
    this.watch = setInterval(() => this.listen(), 5000);
    for (const item of this.lines()) keyOf(item);
    if (this.forward) this.toNewest();
    this.connect();
  }

  /** Nothing waits to be put in: neither rows, by their keys, nor marks, nor late lines. */
  clear() {
    this.waiting = new Map();
    this.waitingGaps = [];
    this.waitingLate = null;
    this.waitingRows = 0;
  }

  end() {
    this.gone.abort();
    clearInterval(this.watch);
    clearTimeout(this.timer);
    clearTimeout(this.sleep);
    this.close();
  }

  lines() {
    return [...this.list.children].filter(isLine);
  }

  /** The first of the list below the names of its columns. */
  top() {
    const first = this.list.firstElementChild;
    return first?.classList.contains("heads") ? first.nextElementSibling : first;
  }

  // The connection

  connect() {
    this.close();
    clearTimeout(this.timer);
    this.ended = null;
    this.heard = Date.now();
    this.source = new EventSource(`${this.say.url}&after=${this.after}&late=${this.lateness}`);
    const on = (name, what) => this.source.addEventListener(name, (event) => {
      this.heard = Date.now();
      document.dispatchEvent(new Event("logcafe:fresh"));
      if (event.lastEventId) this.after = event.lastEventId;
      what(event.data && event.data !== "1" ? JSON.parse(event.data) : null);
    });
    on("open", () => {});
    on("tick", () => {});
    on("news", (news) => this.hear(news));
    on("counts", (counts) => this.count(counts));
    on("ended", (ending) => {
      this.close();
      this.ended = { ...ending, at: clock() };
      this.show();
    });
    this.source.addEventListener("error", () => this.lost());
    this.show();
  }

  close() {
    this.source?.close();
    this.source = null;
    this.open = false;
  }

  /** The connection is gone: tries again, later each time. */
  lost() {
    this.close();
    if (this.ended) return;
    this.lostAt ??= clock();
    clearTimeout(this.timer);
    if (!document.hidden) {
      const pause = Math.min(RETRY_MAX, 500 * 2 ** this.tries) * (0.75 + Math.random() / 2);
      this.tries += 1;
      this.timer = setTimeout(() => this.connect(), pause);
    }
    this.show();
  }

  /** Tries again at once, if it is not there. */
  retry() {
    if (this.ended || this.open) return;
    this.connect();
  }

  /** A connection that says nothing, not even that it is there, is none. */
  listen() {
    if (this.source && Math.abs(Date.now() - this.heard) > SILENCE_MAX) this.lost();
    this.calm();
    this.look();
  }

  /** A page that nobody sees asks for nothing; one that is seen again fills what it missed. */
  seen() {
    clearTimeout(this.sleep);
    if (document.hidden) {
      this.sleep = setTimeout(() => this.close(), HIDDEN_MAX);
    } else if (!this.ended && (!this.open || Date.now() - this.heard > SILENCE_MAX / 2)) {
      this.tries = 0;
      this.connect();
    }
  }

  // What comes

  hear(news) {
    this.open = true;
    this.tries = 0;
    this.lostAt = null;
    const lines = this.lines();
    const known = new Set(lines.map(keyOf));
    this.oldest = this.oldestOf(lines);
    let fresh = 0;
    for (const row of news.rows) {
      const [nanos, key] = row;
      const isNew = !known.has(key) && !this.waiting.has(key);
      if (isNew && this.isTooOld(nanos)) {
        // of what is filled in, what is so old is what the way to older lines leads to
        if (news.fill) continue;
        this.tally(nanos);
      } else {
        this.waiting.set(key, { row, isFill: news.fill });
      }
      if (isNew) fresh += 1;
    }
    if (!news.fill && news.rows.length) {
      const lateness = BigInt(this.after) - BigInt(news.rows[0][0]);
      if (lateness > this.lateness) this.lateness = lateness;
    }
    if (news.gap) this.waitingGaps.push(news.gap);
    this.bound();
    this.waitingRows += fresh;
    this.arrivals.push([Date.now(), fresh]);
    this.calm();
    this.schedule();
    this.show();
  }

  /** Of what waits, as many of the newest rows as the page holds: those before them are where "older lines" leads. */
  bound() {
    if (this.waiting.size <= ROWS_MAX) return;
    const sorted = [...this.waiting].sort(([, { row: [one] }], [, { row: [other] }]) => (one === other ? 0 : isNewer(one, other) ? 1 : -1));
    const excess = sorted.slice(0, sorted.length - ROWS_MAX);
    for (const [key] of excess) this.waiting.delete(key);
    const [nanos] = sorted[excess.length][1].row;
    this.waitingGaps = this.waitingGaps.filter((gap) => isNewer(gap.to, nanos));
  }

  /** Counts a line that came in late, further back than what the page shows. */
  tally(nanos) {
    const late = (this.waitingLate ??= { count: 0, from: nanos, to: nanos });
    late.count += 1;
    if (isNewer(late.from, nanos)) late.from = nanos;
    if (isNewer(nanos, late.to)) late.to = nanos;
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      if (!this.isHeld()) this.take();
      this.show();
    });
  }

  take() {
    // what is kept of this view from now on is what is seen from now on; times are in nanoseconds
    const seen = Number(this.after.slice(0, -9)) + 1;
    for (const field of document.querySelectorAll("#explore input[name=seen]")) field.value = seen;
    const { waiting, waitingGaps, waitingLate } = this;
    if (!waiting.size && !waitingGaps.length && !waitingLate) return;
    this.clear();
    this.learnDays();
    const known = new Map(this.lines().map((line) => [keyOf(line), line]));
    for (const gap of waitingGaps) this.mark(gap);
    for (const { row, isFill } of waiting.values()) this.put(known, row, isFill);
    if (waitingLate) this.late(waitingLate);
    this.trim();
    this.tellDays();
    if (this.forward) this.toNewest();
  }

  /** Whether this time is further back than what the page shows, and what lies between is not on the page. */
  isTooOld(nanos) {
    return this.oldest !== undefined && isNewer(this.oldest, nanos) && this.hasOlder();
  }

  hasOlder() {
    if (this.forward) return document.querySelector(".live-older:not([hidden])") !== null;
    return this.list.querySelector(":scope > .pager > .wide") !== null;
  }

  oldestOf(lines) {
    const line = this.forward ? lines[0] : lines.at(-1);
    return line && nanosOf(line);
  }

  put(known, [nanos, key, html], isFill) {
    const old = known.get(key);
    const items = parse(html);
    const line = items.find(isLine);
    // an entry that was filled in may have grown meanwhile
    if (old && (!old.isConnected || (isFill && old.textContent === line.textContent))) return;
    line.liveKey = key;
    line.liveDay = items.find((item) => item.classList.contains("day"))?.textContent;
    known.set(key, line);
    line.classList.toggle("fresh", this.isCalm);
    if (old) old.replaceWith(line);
    else this.place(nanos, items.filter((item) => !item.classList.contains("day")), false);
  }

  /** Puts items where their time is: mostly at the end where the newest are. What is missing lies before what it is up to. */
  place(nanos, items, isMark) {
    const isBefore = (item) => (isMark && isLine(item) ? isNewer(nanos, timeOf(item)) : !isNewer(timeOf(item), nanos));
    const isThere = (item) => (isLine(item) || isGap(item)) && isBefore(item);
    if (this.forward) {
      let last = this.list.lastElementChild;
      while (last && !isThere(last)) last = last.previousElementSibling;
      if (last) last.after(...items);
      else if (this.top()) this.top().before(...items);
      else this.list.append(...items);
    } else {
      let next = this.top();
      while (next && !isThere(next)) next = next.nextElementSibling;
      next ??= this.list.querySelector(":scope > .pager");
      if (next) next.before(...items);
      else this.list.append(...items);
    }
    // it was not as silent there as was told
    for (const beside of [items[0].previousElementSibling, items.at(-1).nextElementSibling]) {
      if (beside?.classList.contains("gap")) beside.remove();
    }
  }

  /** The day of each row, by the heading that it stands below. */
  learnDays() {
    let day;
    for (const item of this.list.children) {
      if (item.classList.contains("day")) day = item.textContent;
      else if (isLine(item)) item.liveDay ??= day;
    }
  }

  /** A heading wherever the day is another than in the row before. */
  tellDays() {
    let day;
    let heading = null;
    for (const item of [...this.list.children]) {
      if (item.classList.contains("day")) {
        heading?.remove();
        heading = item;
      } else if (isLine(item) && item.liveDay) {
        if (item.liveDay === day) heading?.remove();
        else if (heading?.textContent !== item.liveDay) {
          heading?.remove();
          heading = parse('<li class="day"><span></span></li>')[0];
          heading.firstElementChild.textContent = item.liveDay.trim();
          item.liveDay = heading.textContent;
          item.before(heading);
        }
        day = item.liveDay;
        heading = null;
      }
    }
    heading?.remove();
    const late = this.list.querySelector(":scope > .late");
    // above the heading of the day would be above all days
    if (late && !this.forward && late.nextElementSibling?.classList.contains("day")) late.nextElementSibling.after(late);
  }

  /** A row that says what is missing; where two follow each other with nothing between, one. */
  mark({ html, from, to, count }) {
    const [item] = parse(html);
    item.liveGap = { from, to, count, place: String(BigInt(to) - 1n) };
    process(item);
    this.place(item.liveGap.place, [item], true);
    for (const side of ["previousElementSibling", "nextElementSibling"]) {
      let beside = item[side];
      while (beside && !isLine(beside) && !isGap(beside)) beside = beside[side];
      if (beside && isGap(beside)) this.join(item, beside);
    }
  }

  join(item, other) {
    const { from, to, place, count } = other.liveGap;
    const gap = item.liveGap;
    if (isNewer(gap.from, from)) gap.from = from;
    if (isNewer(to, gap.to)) Object.assign(gap, { to, place });
    gap.count = gap.count === null || count === null ? null : gap.count + count;
    item.querySelector("span").textContent = gap.count === null ? this.say.saySkippedSome : this.say.saySkipped.replace("{n}", gap.count);
    item.querySelector("a").href = this.history({ from: gap.from, to: gap.to });
    other.remove();
  }

  /** Lines whose time is before all that the page shows: one row at its newest end counts them, and leads to them. */
  late({ count, from, to }) {
    const { list } = this;
    let row = list.querySelector(":scope > .late");
    if (!row) {
      [row] = parse('<li class="skipped late"><span></span> <a class="button"></a></li>');
      Object.assign(row, { lateCount: 0, from, to });
      const pager = list.querySelector(":scope > .pager");
      if (!this.forward) list.insertBefore(row, this.top());
      else if (pager) pager.before(row);
      else list.append(row);
    }
    row.lateCount += count;
    if (isNewer(row.from, from)) row.from = from;
    if (isNewer(to, row.to)) row.to = to;
    row.firstElementChild.textContent = this.say.sayLate.replace("{n}", row.lateCount);
    const link = row.querySelector("a");
    link.textContent = this.say.sayLoad;
    link.href = this.history({ from: row.from, to: String(BigInt(row.to) + 1n) });
  }

  history(changes) {
    const url = new URL(this.say.history, location.href);
    for (const [name, value] of Object.entries(changes)) url.searchParams.set(name, value);
    return url.pathname + url.search;
  }

  /** Takes the oldest rows off; the way to older ones goes on from there. */
  trim() {
    const lines = this.lines();
    const excess = lines.length - ROWS_MAX;
    if (excess <= 0) return;
    const newestGone = this.forward ? lines[excess - 1] : lines[ROWS_MAX];
    const pager = this.list.querySelector(":scope > .pager");
    // lines that go on with one that was taken off come before the oldest that is still there
    const [kept, gone] = [nanosOf(this.forward ? lines[excess] : lines[ROWS_MAX - 1]), nanosOf(newestGone)];
    const older = this.history({ older: `${kept === gone ? gone : BigInt(kept) - 1n}.0` });
    if (this.forward) {
      for (let first = this.top(); first !== lines[excess]; first = this.top()) first.remove();
      const link = document.querySelector(".live-older a");
      if (link) {
        link.href = older;
        link.parentElement.hidden = false;
      }
      return;
    }
    while (this.list.lastElementChild && this.list.lastElementChild !== lines[ROWS_MAX - 1]) this.list.lastElementChild.remove();
    const [item] = parse('<li class="pager" id="pager"><a class="button wide" hx-target="#explore" hx-swap="innerHTML" hx-push-url="true"></a></li>');
    const link = item.querySelector("a");
    link.href = older;
    link.textContent = `${this.say.sayOlder} ↓`;
    this.list.append(item);
    process(item);
    pager?.remove();
  }

  /** The bars and the levels as they are now. */
  count(counts) {
    const note = this.strip.querySelector(".live-note");
    if (counts.still) {
      this.still ??= this.countedAt ?? clock();
      this.show();
      return;
    }
    this.still = null;
    this.countedAt = clock();
    const fresh = document.createElement("template");
    fresh.innerHTML = counts.html;
    for (const part of [".histogram", ".about > p", ".levels"]) {
      const [old, now] = [document.querySelector(`#explore ${part}`), fresh.content.querySelector(part)];
      // who is about to tap something there finds it as it was
      if (!now || !old || old.matches(":focus-within, :active, :has(details[open])")) continue;
      old.replaceWith(now);
      process(now);
    }
    if (note) this.show();
  }

  // What one reads

  isAway() {
    const box = this.list.getBoundingClientRect();
    if (this.forward) return box.bottom - innerHeight > AWAY_PX + parseFloat(getComputedStyle(document.querySelector("main")).paddingBottom);
    return box.top < this.strip.getBoundingClientRect().bottom - AWAY_PX;
  }

  isHeld() {
    const selection = getSelection();
    const selects = !selection.isCollapsed && this.list.contains(selection.anchorNode);
    const picks = document.querySelector(".pick-bar")?.checkVisibility();
    return this.paused || selects || picks || this.isAway() || this.list.querySelector(":scope > .line.opened") !== null;
  }

  look() {
    if ((this.waiting.size || this.waitingGaps.length || this.waitingLate) && !this.isHeld()) this.schedule();
    this.show();
  }

  /** The button's tap. */
  act() {
    const { state } = this.strip.dataset;
    if (state === "ended") {
      if (this.ended.login) return location.assign(this.ended.login);
      this.tries = 0;
      return this.connect();
    }
    if (state === "reconnecting" || state === "connecting") {
      this.tries = 0;
      return this.connect();
    }
    if (state === "live") {
      this.paused = true;
      return this.show();
    }
    this.paused = false;
    getSelection().removeAllRanges();
    document.dispatchEvent(new Event("logcafe:close-line"));
    this.take();
    this.toNewest();
    this.show();
  }

  toNewest() {
    if (this.forward) return scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
    if (!this.isAway()) return;
    const top = scrollY + this.list.getBoundingClientRect().top - this.strip.getBoundingClientRect().bottom;
    scrollTo({ top: Math.max(0, top), behavior: "instant" });
  }

  /** A screen reader is told of new lines only where there is time to say them. */
  calm() {
    const since = Date.now() - CALM_WITHIN;
    this.arrivals = this.arrivals.filter(([at]) => at > since);
    this.isCalm = this.arrivals.reduce((sum, [, count]) => sum + count, 0) < CALM_ROWS;
    this.list.setAttribute("aria-live", this.isCalm ? "polite" : "off");
    if (this.isCalm) this.list.setAttribute("role", "log");
    else this.list.removeAttribute("role");
  }

  /** Says how it stands. */
  show() {
    const { say, strip } = this;
    const held = this.open && this.isHeld();
    const lost = this.lostAt || navigator.onLine === false;
    const state = this.ended ? "ended" : this.open ? (held ? "paused" : "live") : lost ? "reconnecting" : "connecting";
    const words = { ended: say.sayEnded, paused: say.sayPaused, live: say.sayLive, reconnecting: say.sayReconnecting, connecting: say.sayConnecting };
    const fresh = this.waitingRows;
    let note = this.still ? say.sayStill.replace("{time}", this.still) : "";
    if (state === "ended") note = say.sayEndedAt.replace("{time}", this.ended.at).replace("{why}", this.ended.why);
    else if (state === "reconnecting") note = navigator.onLine === false ? say.sayOffline : say.saySilent.replace("{time}", this.lostAt);
    else if (!note && this.open && !this.list.querySelector(":scope > .line")) note = say.sayWaiting;
    const acts = {
      ended: this.ended?.login ? say.saySignIn : say.sayAgain,
      paused: fresh ? say.sayShow.replace("{n}", fresh) : say.sayResume,
      live: say.sayPause,
      reconnecting: say.sayTry,
      connecting: say.sayTry,
    };
    strip.dataset.state = state;
    const write = (name, text) => {
      const place = strip.querySelector(name);
      if (place.textContent !== text) place.textContent = text;
    };
    write(".live-word", words[state]);
    write(".live-count", fresh && state !== "live" ? say.sayNew.replace("{n}", fresh) : "");
    write(".live-note", note);
    write(".live-act", acts[state]);
  }
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.children];
}

const process = (item) => window.htmx?.process(item);

// Rows that came in are made known to htmx only when somebody turns to them: of a thousand a second few are touched.
const turnTo = (event) => {
  const line = event.target.closest?.(".lines > .line");
  if (!line?.liveKey || line.processed) return;
  line.processed = true;
  process(line);
};
for (const name of ["pointerdown", "focusin", "click"]) document.addEventListener(name, turnTo, true);

// Views come and go within #explore; going back in history brings another #explore.
let live = null;
let view = null;
const sync = () => {
  const strip = document.getElementById("live");
  if (live?.strip !== strip) {
    live?.end();
    live = strip ? new Live(strip) : null;
  }
  if (view?.isConnected) return;
  view = document.getElementById("explore");
  if (view) watcher.observe(view, { childList: true });
};
const watcher = new MutationObserver(sync);
document.addEventListener("htmx:after:swap", sync);
sync();
