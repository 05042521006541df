// How lines are read: what they say and in which colours, folded traces, columns, and copies that are exact.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WIDTHS, explore, follow, isFit, launch, open, rows, setUp, signIn } from "./pages.mjs";
import { STORED, reading } from "./reading.mjs";
import { Server } from "./server.mjs";

let server;
let browser;

before(async () => {
  server = await Server.start();
  browser = await launch();
  const page = await open(browser, { width: 390 });
  await setUp(page, server, "mina");
  await page.context().close();
  await server.push(reading(Date.now()));
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A record of 19 MB. */
const longLine = () => `{"msg":"menu of all cafes","items":[${'{"name":"cortado","price":3.2},'.repeat(620_000)}0],"end":"last cup"}`;

test("a line of 19 MB shows its beginning, and is had whole where it is wanted", async () => {
  const own = await Server.start(undefined, ["--line-size", "32MiB", "--push-body", "64MiB"]);
  const page = await open(browser, { width: 390 });
  try {
    await setUp(page, own, "mina");
    const line = longLine();
    assert.ok(line.length > 19e6);
    await own.push([{ labels: { app: "menu" }, lines: [[Date.now(), line]] }]);
    const weigh = async (act) => {
      const answered = page.waitForResponse((response) => response.request().resourceType() !== "stylesheet" && response.url().includes("/explore"));
      await act();
      return (await (await answered).body()).length;
    };
    assert.ok((await weigh(() => explore(page, own, '{app="menu"}'))) < 150_000, "the list has the beginning alone");
    await isFit(page, "a line of 19 MB in the list");
    const sheet = await rows(page).first().locator(".meta").getAttribute("href");
    assert.ok((await weigh(() => page.goto(new URL(sheet, own.url).href))) < 400_000, "so has its page");
    await page.getByText("menu of all cafes").first().waitFor();
    await isFit(page, "the page of a line of 19 MB");
    const whole = await page.request.get(new URL(await page.locator(".sheet-line .notice a").getAttribute("href"), own.url).href);
    assert.equal(await whole.text(), line, "to the last letter");
  } finally {
    await page.context().close();
    await own.stop();
  }
});

test("what is copied is what is stored, whatever the query makes of it, or nothing", async () => {
  const page = await open(browser, { width: 1280 });
  const asked = [];
  try {
    await signIn(page, server, "mina");
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.route("**/explore/copy?*", (route) => {
      const keys = new URL(route.request().url()).searchParams.get("lines").split(",").length;
      asked.push(keys);
      if (keys > 8) return route.fulfill({ status: 413, body: "too much" });
      return route.continue();
    });
    await explore(page, server, '{app="build"} |= "placed" | json | line_format "{{.msg}}"');
    assert.equal((await rows(page).first().locator("> .text").innerText()).trim(), "order placed");
    assert.equal(await copied(page, ".lines"), STORED.record);
    await rows(page).first().locator(".meta").click();
    await page.locator(".sheet-line a[href*='/explore/around']").first().click();
    await page.waitForURL("**/explore/around?*");
    assert.ok((await copied(page, ".lines")).split("\n").includes(STORED.record), "lines that the query leaves out are copied, too");
    asked.length = 0;
    await explore(page, server, '{app="shop"}');
    const sold = (await copied(page, ".lines")).split("\n");
    assert.deepEqual([sold.length, new Set(sold).size, asked[0]], [30, 30, 30]);
    assert.ok(sold.every((line) => JSON.parse(line).user.plan === "gold"), sold[0]);
    await page.unroute("**/explore/copy?*");
    await page.route("**/explore/copy?*", (route) => route.fulfill({ status: 200, contentType: "text/html", body: "<h1>Sign in</h1>" }));
    await page.reload();
    await page.evaluate(async () => {
      await navigator.clipboard.writeText("nothing was copied");
      getSelection().selectAllChildren(document.querySelector(".lines"));
    });
    await page.keyboard.press("Control+c");
    await page.getByRole("alert").filter({ hasText: "Could not copy" }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "nothing was copied");
  } finally {
    await page.context().close();
  }
});

const look = async (page) => {
  await page.click(".look > summary");
  await page.locator(".look .panel").waitFor();
};
const row = (page, text) => rows(page).filter({ hasText: text }).first();

for (const width of WIDTHS) {
  for (const script of [true, false]) {
    describe(`at ${width} px, ${script ? "with" : "without"} scripts`, () => {
      let page;

      before(async () => {
        page = await open(browser, { width, script, dark: width === 390 });
        await signIn(page, server, "mina");
      });

      after(() => page?.context().close());

      test("colours, links and records are shown, and only http is a link", async () => {
        await explore(page, server, '{app="build"} |~ "FAIL|placed|javascript|tricky|compiled"');
        assert.equal(await row(page, "FAIL").locator(".g1").innerText(), " FAIL ");
        assert.equal(await row(page, "compiled").locator(".f2.ab").innerText(), "✓");
        const links = await page.locator(".lines .text a").evaluateAll((all) => all.map((a) => [a.getAttribute("href"), a.rel, a.textContent]));
        const rel = "noreferrer noopener nofollow";
        assert.deepEqual(links.map(([href]) => href).sort(), ["http://wiki.example/a_(b)", "https://cafe.example/orders/4711", "https://ci.example/builds/81?tab=log#L12"]);
        assert.ok(links.every(([href, how, text]) => how === rel && text === href));
        assert.equal(await row(page, "placed").locator(".kvs").innerText(), "  orderId=4711  total=12.50  url=https://cafe.example/orders/4711  customer_id=7  customer_name=민아");
        assert.equal(await row(page, "placed").locator("mark").innerText(), "placed");
        assert.equal(await row(page, "FAIL").locator(".g1 mark").innerText(), "FAIL");
        await isFit(page, "colours");
      });

      test("traces sent line by line are one row, and name the frame of one's own", async () => {
        await explore(page, server, '{app=~"menu|grinder"}');
        assert.equal(await rows(page).count(), 4);
        const python = row(page, "request failed").locator(".fold > summary");
        assert.match(await python.innerText(), /2 frames\s+ZeroDivisionError: division by zero\s+\/srv\/menu\/menu\/views.py:42 in price/);
        await python.click();
        assert.deepEqual(await row(page, "request failed").locator(".rest .own").allInnerTexts(), ['  File "/srv/menu/menu/views.py", line 42, in price', "    return price_of(item) / request.GET['n']"]);
        assert.match(await row(page, "nil pointer").locator(".fold > summary").innerText(), /3 frames\s+\/srv\/grinder\/grinder.go:57/);
        await isFit(page, "traces");
      });

      test("long lines wrap, or scroll each in itself", async () => {
        await explore(page, server, '{app="build"} |= "downloading"');
        const text = rows(page).first().locator("> .text");
        const overflow = () => text.evaluate((element) => element.scrollWidth - element.clientWidth);
        assert.ok((await overflow()) <= 0);
        await look(page);
        await isFit(page, "the sheet of the look");
        await follow(page, page.locator(".look a", { hasText: "Scroll" }), /wrap=off/);
        await page.locator(".lines.off").waitFor();
        assert.ok((await overflow()) > 500);
        await isFit(page, "no wrap");
      });

      test("records are laid out or raw, where wanted", async () => {
        await explore(page, server, '{app="build"} |= "placed"');
        await look(page);
        await follow(page, page.locator(".look a", { hasText: "Laid out" }), /form=pretty/);
        await page.locator(".lines.pretty").waitFor();
        assert.match(await rows(page).first().locator(".text").innerText(), /"orderId": 4711,\n {2}"total": 12.50,/);
        await look(page);
        await follow(page, page.locator(".look a", { hasText: "Raw" }), /form=raw/);
        await page.locator(".lines:not(.pretty)").waitFor();
        assert.equal(await rows(page).first().locator(".text").innerText(), STORED.record);
      });

      test("a silence is told, and lines that say the same come together", async () => {
        await explore(page, server, '{app="roast"}');
        assert.match(await page.locator(".gap").innerText(), /3 min 13 s without lines/);
        assert.equal(await rows(page).count(), 40);
        await look(page);
        await follow(page, page.locator(".look a", { hasText: "But for numbers" }), /same=numbers/);
        await page.locator(".same").first().waitFor();
        assert.equal(await rows(page).count(), 1);
        assert.match(await page.locator(".same summary").innerText(), /×40\s+\d\d:\d\d:\d\d\.\d{3} – \d\d:\d\d:\d\d\.\d{3}/);
        await page.locator(".same summary").click();
        assert.equal(await page.locator(".same li").count(), 39);
        assert.match(await page.locator(".notice").innerText(), /^40 lines as 1 rows/);
        await isFit(page, "the same");
      });

      test("fields become columns, a table on a desk", async () => {
        await explore(page, server, '{app="shop"}');
        await look(page);
        await page.check(".look [name=column][value=status]");
        await page.check(".look [name=column][value=path]");
        await page.fill(".look input:not([type]).mono", "took_ms, app");
        await Promise.all([page.waitForURL(/columns=/), page.click(".columns button")]);
        await page.locator(".lines.table").waitFor();
        assert.deepEqual((await rows(page).first().locator(".cell").evaluateAll((all) => all.map((cell) => `${cell.dataset.k}=${cell.textContent}`))).sort(), ["app=shop", "path=/menu/0", "status=502", "took_ms=3"]);
        assert.equal(await page.locator(".heads").isVisible(), width > 640);
        if (width > 640) {
          const top = () => page.locator(".heads").evaluate((heads) => heads.getBoundingClientRect().top - heads.parentElement.getBoundingClientRect().top);
          await page.locator(".lines").evaluate((list) => list.scrollTo(0, 400));
          assert.ok((await top()) <= 1, "the heads stay above the lines");
        }
        await isFit(page, "columns");
        await look(page);
        await follow(page, page.locator(".look a", { hasText: "No columns" }), /^((?!columns).)*$/);
      });

      test("the size of the text and the time are this device's", async () => {
        await explore(page, server, '{app="shop"}');
        const size = () => rows(page).first().locator("> .text").evaluate((text) => parseFloat(getComputedStyle(text).fontSize));
        const medium = await size();
        await look(page);
        await Promise.all([page.waitForEvent("load"), page.click(".look [name=size][value=large]")]);
        assert.ok((await size()) > medium);
        await look(page);
        await Promise.all([page.waitForEvent("load"), page.click(".look [name=clock][value=ago]")]);
        assert.match(await rows(page).first().locator("time").innerText(), /ago$/);
        await isFit(page, "large");
        await look(page);
        await Promise.all([page.waitForEvent("load"), page.click(".look [name=clock][value=full]")]);
        assert.match(await rows(page).first().locator("time").innerText(), /^20\d\d-\d\d-\d\d \d\d:/);
        await isFit(page, "full times");
        await page.context().clearCookies({ name: "logcafe_text" });
        await page.context().clearCookies({ name: "logcafe_clock" });
      });

      if (!script) return;

      test("what is copied is what is stored", async () => {
        await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
        await explore(page, server, '{app="build"} |~ "tricky|placed"');
        assert.deepEqual(await copied(page, ".lines"), `${STORED.record}\n${STORED.hidden}`);
        assert.equal(await copied(page, ".line:has(.control) > .text"), STORED.hidden);
        assert.equal(await copied(page, ".line .kvs b"), "orderId", "a part is copied as it is selected");
        await explore(page, server, '{app="menu"} |= ""');
        const trace = await copied(page, ".lines");
        assert.equal(trace.split("\n").length, 8);
        assert.ok(trace.includes('\n  File "/srv/menu/menu/views.py", line 42, in price\n'));
      });

      test("lines are selected with a tap and copied", async () => {
        await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
        await explore(page, server, '{app="build"} |~ "tricky|placed|FAIL"');
        await look(page);
        await page.click("[data-select]");
        await row(page, "placed").locator("> .text").click();
        await row(page, "tricky").locator("> .text").click({ position: { x: 2, y: 2 } });
        assert.equal(await page.locator(".pick-bar p").innerText(), "2 selected");
        assert.equal(await page.locator(".line.opened").count(), 0);
        await isFit(page, "selecting");
        await page.locator(".pick-bar button", { hasText: "Copy" }).click();
        await page.locator(".pick-bar button", { hasText: "Copied" }).waitFor();
        assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${STORED.record}\n${STORED.hidden}`);
        await page.locator(".pick-bar button", { hasText: "Done" }).click();
        assert.equal(await page.locator(".pick-box").count(), 0);
      });
    });
  }
}

/** Selects all of an element and copies it, as with the keyboard. */
async function copied(page, selector) {
  await page.evaluate(async (selector) => {
    await navigator.clipboard.writeText("nothing was copied");
    getSelection().selectAllChildren(document.querySelector(selector));
  }, selector);
  await page.keyboard.press("Control+c");
  return page.evaluate(() => new Promise((resolve) => {
    const look = async () => {
      const text = await navigator.clipboard.readText();
      if (text === "nothing was copied") requestAnimationFrame(look);
      else resolve(text);
    };
    look();
  }));
}
