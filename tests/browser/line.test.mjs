// A line: its sheet, the lines around it, its link, more like it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WIDTHS, explore, follow, isFit, launch, open, queryOf, rows, setUp, signIn } from "./pages.mjs";
import { samples } from "./samples.mjs";
import { Server } from "./server.mjs";

let server;
let browser;
const SAME = 31;

before(async () => {
  server = await Server.start();
  browser = await launch();
  const page = await open(browser, { width: 390 });
  await setUp(page, server, "mina");
  await page.context().close();
  const now = Date.now();
  await server.push(samples(now));
  // one file, by a shipper that knows whole seconds only
  const at = Math.floor(now / 1000) * 1000 - 600_000;
  const lines = Array.from({ length: 120 }, (_, index) => [at + (index < 40 ? -1000 : index < 40 + SAME ? 0 : 1000), `${index % 10 === 5 ? "WARN" : "INFO"} number ${index} of the file`]);
  const stream = (level) => ({ labels: { job: "file", filename: "/var/log/cafe.log", host: "cafe-9", level }, lines: lines.filter(([, text]) => text.startsWith(level)) });
  await server.push([stream("INFO"), stream("WARN")]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const numbers = async (page) => (await rows(page).locator(".text").allInnerTexts()).map((text) => Number(/number (\d+)/.exec(text)?.[1]));

async function openLine(page, row, script) {
  if (script) await row.locator(".text").first().click();
  else await row.locator(".meta").press("Enter");
  await page.locator(".sheet-line").waitFor();
}

test("steps follow the order of the list, also where all lines have one time", async () => {
  const page = await open(browser, { width: 1280 });
  try {
    await signIn(page, server, "mina");
    const same = Array.from({ length: 4 }, (_, index) => 40 + index).join("|");
    for (const order of ["forward", "backward"]) {
      await explore(page, server, `{job="file", level="INFO"} |~ "number (${same}) "`);
      const url = new URL(page.url());
      url.searchParams.set("direction", order);
      await page.goto(url.href);
      const shown = await numbers(page);
      assert.deepEqual(shown, order === "forward" ? [40, 41, 42, 43] : [43, 42, 41, 40]);
      await openLine(page, rows(page).nth(1), true);
      await page.locator("[data-line-step=newer]").first().click();
      const next = shown[order === "forward" ? 2 : 0];
      await page.locator(".sheet-line").getByText(`number ${next} of the file`).first().waitFor();
      assert.match(await page.locator(".line.opened .text").innerText(), new RegExp(`number ${next} `));
    }
  } finally {
    await page.context().close();
  }
});

for (const width of WIDTHS) {
  for (const script of [true, false]) {
    describe(`at ${width} px, ${script ? "with" : "without"} scripts`, () => {
      let page;
      const sheet = () => page.locator(".sheet-line");
      const field = (name) => sheet().locator(".known", { has: page.locator(".name", { hasText: new RegExp(`^${name}$`) }) });

      before(async () => {
        page = await open(browser, { width, script });
        await signIn(page, server, "mina");
      });

      after(() => page?.context().close());

      test("the sheet tells all, and Back leads to the lines as they were", async () => {
        await explore(page, server, '{app="payments"}');
        const base = page.url();
        await openLine(page, rows(page).nth(4), script);
        assert.match(page.url(), /\/explore\/line\?/);
        const told = await sheet().locator(".when").innerText();
        if (script) assert.match(told, /Asia\/Seoul \(UTC\+09:00\)/);
        assert.match(told, /UTC/);
        assert.match(told, /\d{19}/);
        assert.equal(await field("user_plan").locator(".value").innerText(), "gold");
        await isFit(page, "the sheet");
        await page.goBack();
        await page.waitForURL(base);
        await sheet().waitFor({ state: script ? "hidden" : "detached" });
        if (script) {
          assert.equal(await page.evaluate(() => document.activeElement.closest(".line") === document.querySelectorAll(".line")[4]), true);
          await openLine(page, rows(page).nth(4), script);
          await page.keyboard.press("Escape");
          await sheet().waitFor({ state: "hidden" });
          await page.waitForURL(base);
        }
      });

      test("one goes on to the next line inside the sheet", async () => {
        await explore(page, server, '{app="payments"} | json');
        await openLine(page, rows(page).nth(1), script);
        assert.equal(await field("orderId").locator(".value").innerText(), "4001");
        await sheet().locator("[data-line-step=older]").click();
        await field("orderId").locator(".value", { hasText: "4002" }).waitFor();
        for (const order of ["4001", "4000"]) {
          await sheet().locator("[data-line-step=newer]").click();
          await field("orderId").locator(".value", { hasText: order }).waitFor();
        }
        await sheet().locator("[data-line-step=newer]").click();
        await sheet().locator(".notice", { hasText: "No newer line" }).waitFor();
      });

      test("the values of a field are counted, and lead to their lines", async () => {
        await explore(page, server, '{app="payments"}');
        await openLine(page, rows(page).first(), script);
        await field("level").locator("summary").click();
        await field("level").locator("a", { hasText: "Top values" }).click();
        await field("level").locator(".top a").first().waitFor();
        assert.match(await field("level").locator(".top").innerText(), /info\s+229\s+95%\s+error\s+11\s+4.6%/);
        await isFit(page, "top values");
        await follow(page, field("level").locator(".top a").nth(1), /level%3D%22error/);
        assert.equal(queryOf(page), '{app="payments"} | json | level="error"');
        await rows(page).nth(10).waitFor();
        assert.equal(await rows(page).count(), 11);
        await openLine(page, rows(page).first(), script);
        await follow(page, field("level").locator(".pick a[aria-current]"), /query=%7Bapp%3D%22payments%22%7D&/);
        assert.equal(queryOf(page), '{app="payments"}');
      });

      test("a field becomes a column, and stops being one", async () => {
        await explore(page, server, '{app="payments"} | json');
        await openLine(page, rows(page).first(), script);
        await field("amount").locator("summary").click();
        await follow(page, field("amount").locator("a", { hasText: "Show as column" }), /columns=amount/);
        await openLine(page, rows(page).first(), script);
        await field("amount").locator("summary").click();
        await field("amount").locator("a", { hasText: "Remove the column" }).click();
        await page.waitForURL((url) => url.pathname === "/explore" && !url.search.includes("columns"));
      });

      test("the lines around it are those of its file, whatever the query, and none of one time is lost", async () => {
        await explore(page, server, '{job="file"} |= "number 55 "');
        await openLine(page, rows(page).first(), script);
        await sheet().locator("a", { hasText: "Lines around it" }).click();
        await page.waitForURL(/explore\/around.*by=file/);
        assert.equal((await numbers(page)).length, 51);
        assert.match(await page.locator("#line").innerText(), /number 55 /);
        await isFit(page, "lines around");
        for (const [more, seen] of [["Earlier", 76], ["Later", 101], ["Earlier", 120]]) {
          await page.locator(".pager a", { hasText: `${more} lines` }).click();
          await page.waitForFunction((count) => document.querySelectorAll(".lines > .line").length === count, seen);
        }
        assert.equal(new Set(await numbers(page)).size, 120);
        await page.locator(".scopes a", { hasText: "Everything" }).click();
        await page.waitForURL(/by=all/);
        assert.match(await page.locator("#line").innerText(), /number 55 /);
      });

      test("a link opens Explore at its line, also without a query", async () => {
        await explore(page, server, '{job="file"}');
        const row = rows(page).nth(90);
        const text = await row.locator(".text").first().innerText();
        await openLine(page, row, script);
        const link = await sheet().locator("a[data-share]").getAttribute("href");
        const key = new URL(link, server.url).searchParams.get("line");
        for (const address of [link, `/explore?line=${key}#line`]) {
          await page.goto(`${server.url}${address}`);
          const line = page.locator("#line");
          assert.equal(await line.locator(".text").first().innerText(), text);
          const { top, height } = await line.evaluate((element) => ({ top: element.getBoundingClientRect().top, height: innerHeight }));
          assert.ok(top > 40 && top < height - 40, `${address}: the line is at ${top} of ${height}`);
          await isFit(page, "at a line");
        }
        await page.goto(`${server.url}${link.replace(/\.[0-9a-f]+#line/, ".123#line")}`);
        await page.locator(".notice", { hasText: "not stored any more" }).waitFor();
        await page.goto(`${server.url}${link.replace("query=", "query=%7Bjob%3D%22nginx%22%7D&x=")}`);
        await page.locator(".notice", { hasText: "leaves out" }).locator("a").click();
        await sheet().waitFor();
      });

      test("more like it are counted by their pattern", async () => {
        await explore(page, server, '{app="payments"} |= "accepted"');
        await openLine(page, rows(page).first(), script);
        await sheet().locator("a", { hasText: "More like this" }).click();
        const alike = page.locator(".alike");
        await alike.waitFor();
        assert.match(await alike.locator(".pattern").innerText(), /"orderId":<_>/);
        assert.match(await alike.innerText(), /229 like this: 95% of what its service wrote/);
        await isFit(page, "more like it");
        await follow(page, alike.locator("a", { hasText: "Hide these" }), /%21%3E/);
        assert.match(queryOf(page), /!> /);
        await page.locator(".nothing").waitFor();
      });
    });
  }
}

test("a line is copied as it is stored, and as JSON", async () => {
  const page = await open(browser, { width: 390 });
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await signIn(page, server, "mina");
  await explore(page, server, '{app="payments"} | line_format "other"');
  await openLine(page, rows(page).first(), true);
  const copied = async (name) => {
    await page.getByRole("button", { name, exact: true }).first().click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    await page.getByRole("button", { name: "Copied" }).waitFor({ state: "detached" });
    return text;
  };
  const line = await copied("Copy");
  assert.equal(JSON.parse(line).orderId, 4000);
  await page.locator(".sheet-line > .actions > .more > summary").click();
  const all = JSON.parse(await copied("Copy as JSON"));
  assert.equal(all.line, line);
  assert.equal(all.labels.app, "payments");
  await page.context().close();
});
