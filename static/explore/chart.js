// Numbers with a script: the chart is drawn by uPlot, which is loaded only where there is one. One points at it to read
// values in the table, drags over it to zoom, and taps the table's rows to show and hide series.

let plot;
let shownIn;

const load = (figure) => {
  if (window.uPlot) return Promise.resolve();
  const style = document.createElement("link");
  Object.assign(style, { rel: "stylesheet", href: figure.dataset.style });
  const script = document.createElement("script");
  script.src = figure.dataset.script;
  const done = [style, script].map((element) => new Promise((resolve, reject) => {
    element.addEventListener("load", resolve);
    element.addEventListener("error", reject);
  }));
  document.head.append(style, script);
  return Promise.all(done);
};

const digits = (value) => {
  const size = Math.abs(value);
  const places = Number.isInteger(value) || size >= 1000 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 4;
  return new Intl.NumberFormat("en", { minimumFractionDigits: places, maximumFractionDigits: places }).format(value);
};

const steps = {
  bytes: [["B", 1], ["KiB", 1024], ["MiB", 1024 ** 2], ["GiB", 1024 ** 3], ["TiB", 1024 ** 4]],
  seconds: [["ns", 1e-9], ["µs", 1e-6], ["ms", 1e-3], ["s", 1], ["min", 120], ["h", 7200], ["d", 172800]],
};
const binary = Array.from({ length: 60 }, (_, power) => 2 ** power);
const told = (unit, value) => {
  if (value == null) return "–";
  if (unit === "percent") return `${digits(value * 100)} %`;
  const known = steps[unit];
  if (!known) return digits(value);
  if (value === 0) return unit === "bytes" ? "0 B" : "0 s";
  const [name, from] = known.filter((step) => Math.abs(value) >= step[1]).at(-1) ?? known[0];
  const size = { min: 60, h: 3600, d: 86400 }[name] ?? from;
  return `${digits(value / size)} ${name}`;
};

const clock = (figure, seconds, more) => {
  const zone = figure.dataset.zone.replace(/^UTC(?=[+-])/, "");
  const style = { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...more };
  return new Intl.DateTimeFormat(document.documentElement.lang === "ko" ? "ko" : "en-GB", style).format(seconds * 1000);
};

const zoom = (figure, from, to) => {
  const url = new URL(figure.dataset.href, location.origin);
  url.searchParams.set("from", new Date(from * 1000).toISOString());
  url.searchParams.set("to", new Date(to * 1000).toISOString());
  const address = url.pathname + url.search;
  if (window.htmx) window.htmx.ajax("GET", address, { target: "#explore", swap: "innerHTML", push: address });
  else location.assign(address);
};

const rowsOf = () => [...document.querySelectorAll(".numbers tr[data-series]")];

// The values where one points stand in the first column of numbers; without a pointer the last ones do.
const readOut = (figure, index, values) => {
  const head = document.querySelector(".numbers thead th:nth-child(2) a");
  if (!head) return;
  head.dataset.own ??= head.textContent;
  const at = index == null ? head.dataset.own : clock(figure, plot.data[0][index], { second: "2-digit" });
  if (head.textContent !== at) head.textContent = at;
  for (const row of rowsOf()) {
    const cell = row.querySelector("td");
    cell.dataset.own ??= cell.textContent;
    const text = index == null ? cell.dataset.own : told(figure.dataset.unit, values[row.dataset.series]?.[index]);
    if (cell.textContent !== text) cell.textContent = text;
  }
};

const stacked = (values, hidden) => {
  let below = values[0]?.map(() => 0) ?? [];
  return values.map((series, index) => {
    if (hidden.has(index)) return series.map(() => null);
    below = below.map((sum, at) => sum + (series[at] ?? 0));
    return below;
  });
};

const draw = (figure) => {
  const times = JSON.parse(figure.dataset.times);
  const values = JSON.parse(figure.dataset.values);
  const { shape, unit } = figure.dataset;
  const hidden = new Set();
  const data = () => [times, ...(shape === "lines" ? values.map((one, at) => (hidden.has(at) ? one.map(() => null) : one)) : stacked(values, hidden))];
  const paint = getComputedStyle(document.documentElement);
  const colour = (name) => paint.getPropertyValue(name).trim();
  const box = document.createElement("div");
  box.className = "plot";
  figure.prepend(box);
  figure.classList.add("live");
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: colour("--soft"), font, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  // what is on top is drawn first, so that those below it stay seen
  const order = values.map((_, index) => index);
  if (shape !== "lines") order.reverse();
  const bars = shape === "bars" ? window.uPlot.paths.bars({ size: [0.85, 40] }) : undefined;
  const series = (index) => ({
    label: String(index),
    stroke: colour(`--s${index}`),
    fill: shape === "lines" ? undefined : colour(`--s${index}`),
    width: shape === "lines" ? 2 : 1,
    dash: shape === "lines" && index > 5 ? [7, 4] : undefined,
    points: { show: shape === "lines" && values[index].filter((value) => value != null).length < 2 },
    paths: bars,
  });
  const arranged = () => {
    const [x, ...rest] = data();
    return [x, ...order.map((index) => rest[index])];
  };
  const size = () => ({ width: Math.max(200, box.clientWidth), height: Math.round(Math.min(320, Math.max(200, innerHeight * 0.34))) });
  let byTouch = false;
  plot = new window.uPlot({
    ...size(),
    legend: { show: false },
    tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), figure.dataset.zone.replace(/^UTC(?=[+-])/, "")),
    cursor: { drag: { x: true, y: false, setScale: false, dist: 8 }, points: { size: 7 } },
    scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high ?? 1) > Math.min(0, low ?? 0) ? high * 1.05 : 1] } },
    axes: [
      { ...axis, values: (_, splits, __, ___, step) => splits.map((at, index) => {
        const day = clock(figure, at) === "00:00";
        if (step >= 86400 || day) return clock(figure, at, { hour: undefined, minute: undefined, day: "numeric", month: "short" });
        return clock(figure, at, step < 60 ? { second: "2-digit" } : {});
      }) },
      { ...axis, size: 62, ...(unit === "bytes" && { incrs: binary }), values: (_, splits) => splits.map((value) => told(unit, value)) },
    ],
    series: [{}, ...order.map(series)],
    hooks: {
      setCursor: [(self) => readOut(figure, self.cursor.idx, values)],
      setSelect: [(self) => {
        if (byTouch || self.select.width < 8) return;
        zoom(figure, self.posToVal(self.select.left, "x"), self.posToVal(self.select.left + self.select.width, "x"));
      }],
    },
  }, arranged(), box);
  shownIn = figure;

  // A finger reads the values as it goes, and what it went over is offered to be zoomed to.
  const over = box.querySelector(".u-over");
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "button zoom-here", hidden: true });
  figure.append(button);
  let from;
  over.addEventListener("pointerdown", (event) => {
    byTouch = event.pointerType !== "mouse";
    if (!byTouch) return;
    from = event.clientX;
  });
  const follow = (event) => {
    if (!byTouch) return;
    const area = over.getBoundingClientRect();
    const left = (x) => Math.min(area.width, Math.max(0, x - area.left));
    plot.setCursor({ left: left(event.clientX), top: event.clientY - area.top });
    if (from === undefined || Math.abs(event.clientX - from) < 12) return;
    const [one, two] = [left(from), left(event.clientX)].sort((a, b) => a - b);
    plot.setSelect({ left: one, width: two - one, top: 0, height: area.height }, false);
    const span = [one, two].map((x) => plot.posToVal(x, "x"));
    button.textContent = `${figure.dataset.zoom} ${span.map((at) => clock(figure, at, { second: "2-digit" })).join(" – ")}`;
    button.hidden = false;
    button.onclick = () => zoom(figure, ...span);
  };
  over.addEventListener("pointermove", follow);
  over.addEventListener("pointerup", (event) => {
    follow(event);
    from = undefined;
  });
  over.addEventListener("pointercancel", () => { from = undefined; });
  new ResizeObserver(() => plot && shownIn === figure && plot.setSize(size())).observe(figure);

  // The rows of the table are the legend.
  const show = () => {
    for (const row of rowsOf()) {
      const isHidden = hidden.has(Number(row.dataset.series));
      row.classList.toggle("hidden-series", isHidden);
      row.querySelector(".key").setAttribute("aria-pressed", String(!isHidden));
    }
    plot.setData(arranged());
  };
  for (const row of rowsOf()) {
    const index = Number(row.dataset.series);
    const [swatch, name] = row.querySelectorAll(".swatch, bdi");
    const key = document.createElement("button");
    Object.assign(key, { type: "button", className: "key", title: figure.dataset.toggle });
    key.setAttribute("aria-label", `${figure.dataset.toggle}: ${name.textContent}`);
    key.setAttribute("aria-pressed", "true");
    swatch.replaceWith(key);
    key.append(swatch);
    const only = document.createElement("button");
    Object.assign(only, { type: "button", className: "only", title: figure.dataset.only });
    name.replaceWith(only);
    only.append(name);
    key.addEventListener("click", () => {
      if (!hidden.delete(index)) hidden.add(index);
      show();
    });
    only.addEventListener("click", () => {
      const others = values.map((_, other) => other).filter((other) => other !== index);
      const isOnly = !hidden.has(index) && others.every((other) => hidden.has(other));
      hidden.clear();
      if (!isOnly) for (const other of others) hidden.add(other);
      show();
    });
  }
};

const look = async () => {
  const figure = document.querySelector(".chart[data-script]");
  if (shownIn && shownIn !== figure) {
    plot?.destroy();
    plot = shownIn = undefined;
  }
  if (!figure || figure.classList.contains("live") || figure.dataset.waits) return;
  figure.dataset.waits = "1";
  try {
    await load(figure);
  } catch {
    // the drawing of the server stays
    return;
  }
  if (figure.isConnected) draw(figure);
};
document.addEventListener("htmx:after:swap", look);
document.addEventListener("htmx:after:settle", look);
look();
