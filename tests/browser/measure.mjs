// How heavy and how quick the pages are: `node measure.mjs --data FOLDER [--from T --to T] [--width 390] [--runs 20]`;
// with `--long QUERY`, how quickly one huge line that the query finds is shown.
// Starts the binary that LOGCAFE_BIN names (a release build, to be fair) on a folder that holds logs already, goes
// through what people do most, and prints what a page weighs and the median and 95th percentile of each step. A step is
// timed from the tap to the frame in which what was asked for is painted.
import { parseArgs } from "node:util";
import { launch, open } from "./pages.mjs";
import { PASSWORD, Server } from "./server.mjs";

const { values: given } = parseArgs({
  options: {
    data: { type: "string" },
    from: { type: "string", default: "now-24h" },
    to: { type: "string", default: "now" },
    word: { type: "string", default: "timeout" },
    width: { type: "string", default: "390" },
    long: { type: "string" },
    runs: { type: "string", default: "20" },
  },
});
if (!given.data) throw new Error("name a folder with logs: --data FOLDER");
const runs = Number(given.runs);

const server = await Server.start(given.data, ["--line-size", "32MiB", "--push-body", "64MiB"]);
const browser = await launch();
// without the service worker, whose answers would not count as bytes of the network
const page = await open(browser, { width: Number(given.width), serviceWorkers: "block" });
const name = `measure-${process.pid}`;
server.addUser(name);
try {
  await signIn();
  if (given.long) await timeLong();
  else {
    await weigh();
    await time();
  }
} finally {
  server.command(["user", "remove", name], "");
  await browser.close();
  await server.stop();
}

async function signIn() {
  await page.goto(`${server.url}/login`);
  await page.fill("[name=username]", name);
  await page.fill("[name=password]", PASSWORD);
  await page.click("form[action='/login'] button.primary");
  await page.waitForURL((url) => url.pathname !== "/login");
}

function explore(more = {}) {
  return `${server.url}/explore?${new URLSearchParams({ query: "", from: given.from, to: given.to, ...more })}`;
}

/** Bytes on the wire of each page: with nothing in the cache, and of a further visit. */
async function weigh() {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  let kinds = new Map();
  const types = new Map();
  // what comes after the lines holds nothing back
  const isLate = (url) => /explore_later/.test(url) || (/explore_understand/.test(url) && !/show=/.test(page.url()));
  session.on("Network.responseReceived", (event) => types.set(event.requestId, isLate(event.response.url) ? "Late" : event.type));
  session.on("Network.loadingFinished", (event) => {
    const type = types.get(event.requestId) ?? "Other";
    kinds.set(type, (kinds.get(type) ?? 0) + event.encodedDataLength);
  });
  for (const [what, address] of [["home", `${server.url}/`], ["lines", explore()], ["fields", explore({ show: "fields" })], ["patterns", explore({ show: "patterns" })]]) {
    await session.send("Network.clearBrowserCache");
    for (const visit of ["first visit", "again"]) {
      kinds = new Map();
      await page.goto(address);
      await page.waitForLoadState("networkidle");
      const of = (type) => kinds.get(type) ?? 0;
      const all = [...kinds.values()].reduce((sum, bytes) => sum + bytes, 0);
      const paint = of("Document") + of("Stylesheet");
      console.log(`${what.padEnd(10)} ${visit.padEnd(12)} first paint ${kib(paint)} (HTML ${kib(of("Document"))}, CSS ${kib(of("Stylesheet"))}), scripts ${kib(of("Script"))}, all ${kib(all)}`);
    }
  }
}

function kib(bytes) {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}

/** A line of many megabytes that lies in the folder, found by its query. */
async function timeLong() {
  await step("a long line in the list", () => page.goto("about:blank"), async () => {
    await page.goto(explore({ query: given.long }), { waitUntil: "commit" });
    await page.locator(".lines > .line").first().waitFor();
  });
  await page.goto(explore({ query: given.long }));
  const sheet = new URL(await page.locator(".lines > .line .meta").first().getAttribute("href"), server.url).href;
  await step("the page of a long line", () => page.goto("about:blank"), async () => {
    await page.goto(sheet, { waitUntil: "commit" });
    await page.locator(".sheet-line pre").first().waitFor();
  });
}

async function time() {
  console.log(`\n${"step".padEnd(34)} ${"median".padStart(8)} ${"p95".padStart(8)}   ms over ${runs} runs`);
  await step("open: to the first row", async () => page.goto("about:blank"), async () => {
    await page.goto(explore(), { waitUntil: "commit" });
    await page.locator(".lines > .line").first().waitFor();
  });
  await step("a level", () => page.goto(explore()), async () => {
    await page.locator(".level").first().click();
    await page.waitForURL(/detected_level/);
    await page.locator(".level[aria-current]").first().waitFor();
  });
  await step("a word", () => page.goto(explore()), async () => {
    await page.fill("#contains", given.word);
    await page.press("#contains", "Enter");
    await page.waitForURL(/query=[^&]*(?:%7C|\|)/);
    await page.locator(".line mark, .nothing").first().waitFor();
  });
  await step("older lines", () => page.goto(explore()), async () => {
    const link = page.locator("#pager a");
    await link.click();
    await page.locator(".lines > .line").nth(101).waitFor();
  });
  await step("a line", () => page.goto(explore()), async () => {
    await page.locator(".line .meta").nth(3).click();
    await page.locator(".sheet-line").first().waitFor();
  });
  await step("a bar of the histogram", () => page.goto(explore()), async () => {
    const before = page.url();
    await page.locator(".histogram a").nth(20).click({ force: true });
    await page.waitForURL((url) => String(url) !== before);
    await page.locator(".lines > .line").first().waitFor();
  });
  for (const show of ["fields", "patterns", "compare"]) {
    await step(show, () => page.goto(explore()), async () => {
      await page.locator(`a[href*="show=${show}"]`).first().click();
      await page.waitForURL(new RegExp(`show=${show}`));
      await page.locator(`a[href*="show=${show}"][aria-current]`).first().waitFor();
    });
  }
  await step("home", async () => page.goto("about:blank"), async () => {
    await page.goto(`${server.url}/`, { waitUntil: "commit" });
    await page.locator("main h1, main h2").first().waitFor();
  });
}

async function step(what, prepare, act) {
  const taken = [];
  for (let run = 0; run < runs; run += 1) {
    await prepare();
    const begin = performance.now();
    await act();
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
    taken.push(performance.now() - begin);
  }
  taken.sort((a, b) => a - b);
  const at = (share) => taken[Math.min(taken.length - 1, Math.floor(taken.length * share))].toFixed(0).padStart(8);
  console.log(`${what.padEnd(34)} ${at(0.5)} ${at(0.95)}`);
}
