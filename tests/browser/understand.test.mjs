// What lines have in common: fields, patterns, and what changed; on a phone and a desk, with and without scripts.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WIDTHS, explore, follow, isFit, launch, open, queryOf, rows, setUp, signIn } from "./pages.mjs";
import { samples } from "./samples.mjs";
import { Server } from "./server.mjs";

const HOUR = 3_600_000;
let server;
let browser;
let now;

before(async () => {
  server = await Server.start();
  browser = await launch();
  const page = await open(browser, { width: 390 });
  await setUp(page, server, "mina");
  await page.context().close();
  now = Date.now();
  await server.push(samples(now - HOUR).filter((stream) => stream.labels.app !== "kiosk"));
  await server.push(samples(now));
  const slow = [...Array(300).keys()].map((n) => [now - 1000 * n - 3000, JSON.stringify({ level: "error", msg: `till ${n} is offline`, till: n % 3, region: "busan" })]);
  await server.push([{ labels: { job: "payments", app: "payments", host: "cafe-2", env: "prod" }, lines: slow }]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const tab = (page, name) => page.locator(".views a", { hasText: name });
const summary = async (page) => Number((await page.locator(".about").innerText()).match(/([\d,]+) lines/)[1].replaceAll(",", ""));

for (const width of WIDTHS) {
  for (const script of [true, false]) {
    describe(`at ${width} px, ${script ? "with" : "without"} scripts`, () => {
      let page;

      before(async () => {
        page = await open(browser, { width, script });
        await signIn(page, server, "mina");
      });

      after(() => page?.context().close());

      test("fields tell their values and numbers, and lead to the lines", async () => {
        await explore(page, server, '{app="payments"}');
        await follow(page, tab(page, "Fields"), /show=fields/);
        assert.match(await page.locator(".st-read").innerText(), /^Counted in all 540 lines/);
        const field = (name) => page.locator(`.st-field[data-name="${name}"]`);
        assert.equal(await field("app").locator(".st-share").innerText(), "100 %");
        assert.equal(await field("took_ms").locator(".st-share").innerText(), "44 %");
        assert.match(await field("user_id").locator(".st-facts").innerText(), /40 values/);
        await field("took_ms").locator("summary").click();
        assert.equal(await field("took_ms").locator(".st-numbers dd").nth(3).innerText(), "61");
        await isFit(page, "fields");
        const bar = field("took_ms").locator(".st-histogram a").nth(2);
        const [, count] = (await bar.locator("title").textContent()).match(/: (\d+)$/);
        await follow(page, bar, /took_ms/);
        assert.match(queryOf(page), /\| json \| took_ms>=20 \| took_ms<25$/);
        assert.match(await page.locator(".st-read").innerText(), new RegExp(`all ${count} lines`));
        await follow(page, tab(page, "Lines"), (url) => !url.search.includes("show="));
        assert.equal(await summary(page), Number(count));
      });

      test("a field is found by its name, and a value filters", async () => {
        await explore(page, server, '{app="payments"}');
        await follow(page, tab(page, "Fields"), /show=fields/);
        await page.fill(".st-find [name=field]", "region");
        if (script) await page.locator('.st-field[data-name="app"]').waitFor({ state: "hidden" });
        await Promise.all([page.waitForURL(/field=region/), page.press(".st-find [name=field]", "Enter")]);
        await page.locator(".st-field[open]").waitFor();
        assert.deepEqual(await page.locator(".st-field .st-name").allInnerTexts(), ["region"]);
        await isFit(page, "one field");
        await follow(page, page.locator(".st-values .st-pick a").first(), /region%3D%22busan/);
        assert.match(await page.locator(".st-read").innerText(), /all 300 lines/);
        await page.goBack();
        await page.waitForURL((url) => !url.search.includes("busan"));
      });

      test("patterns are counted, hidden and shown as lines", async () => {
        await explore(page, server, '{app=~"payments|orders"}');
        await follow(page, tab(page, "Patterns"), /show=patterns/);
        const first = page.locator(".st-patterns > li").first();
        await first.waitFor();
        await isFit(page, "patterns");
        const till = page.locator(".st-patterns > li", { hasText: "is offline" });
        assert.equal(await till.locator(".st-count").innerText(), "300");
        if (script) {
          await till.locator("a", { hasText: "Example" }).click();
          assert.match(await till.locator(".st-example .text").innerText(), /"msg":"till \d+ is offline"/);
        }
        await follow(page, page.locator(".st-sorts a", { hasText: "Newest" }), /sort=newest/);
        await page.locator(".st-patterns > li", { hasText: "is offline" }).first().waitFor();
        await follow(page, till.locator("a", { hasText: "Hide" }), /%21%3E/);
        await till.waitFor({ state: "detached" });
        await page.goBack();
        await till.first().waitFor();
        await follow(page, till.locator("a", { hasText: "Show lines" }), (url) => !url.search.includes("show="));
        await rows(page).first().waitFor();
        assert.equal(await summary(page), 300);
      });

      test("what is new is told from what was there before", async () => {
        await explore(page, server, "", new Date(now - HOUR).toISOString(), new Date(now).toISOString());
        await follow(page, tab(page, "Compare"), /show=compare/);
        const section = (name) => page.locator(".st-group", { has: page.getByRole("heading", { name, exact: true }) });
        const offline = section("New").locator("li", { hasText: "is offline" });
        assert.match(await offline.innerText(), /0 → 300/);
        assert.match(await section("Services").locator("tr", { hasText: "kiosk" }).innerText(), /new/);
        assert.match(await section("Services").locator("tr", { hasText: "payments" }).innerText(), /240\s+540\s+×2.2/);
        assert.match(await section("More of the lines have").innerText(), /region =\s*busan/);
        await isFit(page, "compare");
        await follow(page, page.locator(".st-sorts a", { hasText: "Yesterday" }), /than=yesterday/);
        await page.locator("h2", { hasText: "no lines in the time before" }).waitFor();
        await isFit(page, "nothing before");
        await page.goBack();
        await follow(page, offline.locator("a"), (url) => !url.search.includes("show="));
        await rows(page).first().waitFor();
        assert.equal(await summary(page), 300);
      });

      test("without lines the views say so and lead back", async () => {
        await explore(page, server, '{app="nobody"}');
        await page.goto(`${page.url()}&show=patterns`);
        await page.locator(".nothing").waitFor();
        await isFit(page, "no patterns");
        await follow(page, tab(page, "Lines"), (url) => !url.search.includes("show="));
      });
    });
  }
}
