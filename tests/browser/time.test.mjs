// Time and numbers in a real browser: what is typed, what is tapped and dragged, where jumps lead, how charts are read.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WIDTHS, explore, follow, isFit, launch, open, queryOf, rows, setUp, signIn } from "./pages.mjs";
import { samples } from "./samples.mjs";
import { Server } from "./server.mjs";

let server;
let browser;
const began = Date.now();
const SILENCE = { from: began - 4 * 3600e3, to: began - 2 * 3600e3 };

before(async () => {
  server = await Server.start();
  browser = await launch();
  const page = await open(browser, { width: 390 });
  await setUp(page, server, "mina");
  await page.context().close();
  await server.push(samples(began));
  // a line each minute for six hours, but for a silence of two, with one error and one crowd
  const lines = [];
  for (let at = began - 6 * 3600e3; at < began - 60e3; at += 60e3) {
    if (at > SILENCE.from && at < SILENCE.to) continue;
    lines.push([at, `level=info tick=${Math.round((began - at) / 60e3)}`]);
  }
  for (let at = 0; at < 200; at += 1) lines.push([began - 5 * 3600e3 + at * 10, `level=info crowd=${at}`]);
  lines.push([began - 5.5 * 3600e3 + 5, "level=error the only one"]);
  await server.push([{ labels: { app: "clock" }, lines: lines.sort((a, b) => a[0] - b[0]) }]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const sheet = async (page) => {
  await page.locator(".time summary.tool").click();
  await page.locator(".time .panel").waitFor();
};
const params = (page) => new URL(page.url()).searchParams;

for (const width of WIDTHS) {
  for (const script of [true, false]) {
    describe(`at ${width} px, ${script ? "with" : "without"} scripts`, () => {
      let page;

      before(async () => {
        page = await open(browser, { width, script });
        await signIn(page, server, "mina");
      });

      after(() => page?.context().close());

      test("a pasted timestamp shows what is around it, and is told as it was read", async () => {
        await explore(page, server);
        await sheet(page);
        await page.fill(".span-form [name=from]", "[22/Nov/2026:14:03:11 +0900]");
        if (script) {
          await page.locator("#reading", { hasText: "22 Nov 2026 13:58:11 – 14:08:11" }).waitFor();
          assert.match(await page.locator("#reading").innerText(), /10 min · Asia\/Seoul \(UTC\+09:00\)/);
        }
        await isFit(page, "the sheet of time");
        await Promise.all([page.waitForURL(/from=2026-11-22T04:58:11Z/), page.locator(".span-form button").first().click()]);
        assert.equal(params(page).get("to"), "2026-11-22T05:08:11Z");
      });

      test("what is no time and no zone is an error that keeps the text", async () => {
        await page.goto(`${server.url}/explore?${new URLSearchParams({ query: "", from: "soonish", typed: "1", zone: "Asia/Soul" })}`);
        const told = await page.locator(".notice.bad").allInnerTexts();
        assert.match(told.join(" "), /“Asia\/Soul”. Did you mean Asia\/Seoul\?/);
        assert.match(told.join(" "), /“soonish”/);
        await sheet(page);
        assert.equal(await page.inputValue(".span-form [name=from]"), "soonish");
        assert.equal(await page.inputValue(".span-form [name=zone]"), "Asia/Soul");
      });

      test("a jump leads to the error, over the silence, to the crowd, and says where there is none", async () => {
        const jump = async (name) => {
          await page.locator(".jump summary").click();
          const link = page.locator(".jumps").getByRole("link", { name, exact: true });
          await link.waitFor();
          if (name === "Previous error") await isFit(page, "jumps");
          const before = page.url();
          await Promise.all([page.waitForURL((url) => url.href !== before), link.click()]);
        };
        await explore(page, server, '{app="clock"}', "now-7h");
        await jump("Previous error");
        await page.locator("#line", { hasText: "the only one" }).waitFor();
        await jump("Next spike");
        const crowd = new Date(await page.locator("#line time").first().getAttribute("datetime"));
        assert.ok(Math.abs(crowd - (began - 5 * 3600e3)) < 600e3, String(crowd));
        await jump("Next gap");
        const at = await page.locator("#line time").first().getAttribute("datetime");
        assert.ok(Math.abs(new Date(at) - SILENCE.to) < 120e3, at);
        await jump("Next error");
        assert.match(await page.locator("p.notice").innerText(), /No error after this line/);
      });

      test("bars are links, and are dragged over to zoom", async () => {
        await explore(page, server, '{app="clock"}', "now-6h");
        const svg = page.locator(".histogram svg").first();
        const box = await svg.boundingBox();
        if (script) {
          const [left, right, y] = [box.x + box.width * 0.1, box.x + box.width * 0.3, box.y + box.height / 2];
          await page.mouse.move(left, y);
          await page.mouse.down();
          await page.mouse.move(right, y, { steps: 5 });
          await page.locator(".chosen-span").waitFor();
          await Promise.all([page.waitForURL(/from=20/), page.mouse.up()]);
          const length = new Date(params(page).get("to")) - new Date(params(page).get("from"));
          assert.ok(length > 3600e3 && length < 2 * 3600e3, `${length}`);
          await page.goBack();
          await page.locator(".histogram[data-href*='now-6h']").waitFor();
          await page.locator(".histogram a[tabindex='0']").first().focus();
          await page.keyboard.press("ArrowLeft");
          await Promise.all([page.waitForURL(/from=20/), page.keyboard.press("Enter")]);
        } else {
          // amid the silence: the nearest bar is meant
          const x = box.x + box.width * 0.45;
          await Promise.all([page.waitForURL(/from=20/), page.mouse.click(x, box.y + 5)]);
        }
        assert.equal(queryOf(page), '{app="clock"}');
        await rows(page).first().waitFor();
      });

      test("UTC is a tap away, and named", async () => {
        await explore(page, server, '{app="clock"}');
        if (script) {
          await follow(page, ".zone", /zone=UTC/);
          await page.locator(".zone", { hasText: /^UTC/ }).waitFor();
          await follow(page, ".zone", /to=now$/);
        } else {
          assert.match(await page.locator(".about > p").innerText(), /· (UTC|Asia)/);
        }
        await isFit(page, "lines");
      });

      test("numbers are a chart and a table that is put in order", async () => {
        await explore(page, server, 'sum by (app) (bytes_over_time({env="prod"}[5m]))');
        await page.locator(".numbers tbody tr").first().waitFor();
        if (script) {
          await page.locator(".plot .u-over").waitFor();
          const shown = page.locator(".numbers .key").first();
          await shown.click();
          assert.equal(await shown.getAttribute("aria-pressed"), "false");
          await page.locator(".numbers .only").first().click();
          assert.equal(await page.locator(".numbers .key[aria-pressed=true]").count(), 1);
        } else {
          assert.ok((await page.locator(".chart polyline").count()) >= 4);
        }
        assert.match(await page.locator(".numbers td").first().innerText(), /B$/);
        await follow(page, page.locator(".numbers thead a", { hasText: "Most" }), /by=-most/);
        await page.locator("th[aria-sort=descending]").waitFor();
        await follow(page, page.locator(".draw-as a", { hasText: "Stacked" }), /chart=stacked/);
        await page.locator(script ? ".plot" : ".chart polygon").first().waitFor();
        await isFit(page, "stacked");
        await follow(page, page.locator(".draw-as a", { hasText: "Now" }), /chart=instant/);
        await page.locator(".numbers thead", { hasText: "Value" }).waitFor();
        assert.equal(await page.locator(".chart").count(), 0);
        await isFit(page, "a table of now");
      });
    });
  }
}

test("whoever is not signed in any more is led to the way in, and never signs in within another form", async () => {
  const page = await open(browser, { width: 390 });
  await signIn(page, server, "mina");
  await explore(page, server);
  await sheet(page);
  await page.context().clearCookies();
  await page.fill(".span-form [name=from]", "yesterday 17:30");
  await page.waitForURL((url) => url.pathname === "/login");
  assert.equal(await page.locator("form[action='/login'][method=post] [name=password]").count(), 1);
  await page.context().close();
});
