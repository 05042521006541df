// Live lines in a real browser, against the real binary: words, pausing, what happens when the server goes and comes.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WIDTHS, explore, follow, isFit, launch, open, rows, signIn } from "./pages.mjs";
import { samples } from "./samples.mjs";
import { PASSWORD, Server } from "./server.mjs";

let server;
let browser;

before(async () => {
  server = await Server.start();
  browser = await launch();
  server.addUser("mina");
  server.addUser("jun");
  await server.push(samples(Date.now()));
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const strip = (page, state) => page.locator(`#live[data-state=${state}]`);
const line = (page, text) => rows(page).filter({ hasText: text }).first();

/** Lines of one service, one a millisecond, the last of them now. */
function push(app, texts, at = Date.now()) {
  const lines = texts.map((text, index) => [at - texts.length + 1 + index, text]);
  return server.push([{ labels: { job: app, app }, lines }]);
}

const numbered = (count, text) => Array.from({ length: count }, (_, index) => `${text} ${index}`);

async function goLive(page, query = "", more = {}) {
  await page.goto(`${server.url}/explore?${new URLSearchParams({ query, live: "1", ...more })}`);
  await strip(page, "live").waitFor();
}

async function visitor(options, name = "mina") {
  const page = await open(browser, options);
  await signIn(page, server, name);
  return page;
}

for (const width of WIDTHS) {
  describe(`at ${width} px, with scripts`, () => {
    let page;

    before(async () => {
      page = await visitor({ width });
    });

    after(() => page?.context().close());

    test("one tap goes live, another leaves, and the address says which", async () => {
      await explore(page, server, '{app="orders"}');
      await follow(page, ".live-go", /live=1/);
      await strip(page, "live").waitFor();
      assert.equal(await page.locator(".live-word").innerText(), "Live");
      assert.equal(await page.locator(".live-act").innerText(), "Pause");
      const text = `order ${width} placed`;
      await push("orders", [text]);
      await line(page, text).waitFor();
      await push("nginx", [`not asked for ${width}`]);
      await push("orders", [`order ${width} paid`]);
      await line(page, `order ${width} paid`).waitFor();
      assert.equal(await line(page, `not asked for ${width}`).count(), 0);
      const top = await rows(page).first().locator(".text").innerText();
      assert.equal(top, `order ${width} paid`);
      await isFit(page, "live");
      await follow(page, ".live-go", (url) => !url.search.includes("live=1"));
      assert.equal(await page.locator("#live").count(), 0);
      await page.goBack();
      await strip(page, "live").waitFor();
    });

    test("scrolling away pauses, new lines are counted, a tap shows them", async () => {
      await goLive(page);
      await page.mouse.move(width - 100, 500);
      await page.mouse.wheel(0, 1200);
      await strip(page, "paused").waitFor();
      const shown = await rows(page).count();
      const seen = () => page.locator("#explore input[name=seen]").first();
      await seen().evaluate((field) => { field.value = "0"; });
      const pushedAt = Date.now();
      await push("orders", numbered(23, `while away ${width}`));
      await page.locator(".live-words", { hasText: "Paused (23 new)" }).waitFor();
      assert.equal(await page.locator(".live-act").innerText(), "Show 23 new");
      assert.equal(await rows(page).count(), shown, "nothing moves under who reads");
      assert.equal(await seen().inputValue(), "0", "what waits is not seen, and no link holds it");
      await isFit(page, "paused");
      await page.click(".live-act");
      await strip(page, "live").waitFor();
      await line(page, `while away ${width} 22`).waitFor();
      assert.equal(await rows(page).count(), shown + 23);
      assert.ok(Number(await seen().inputValue()) >= Math.floor(pushedAt / 1000), "it is seen now");
      assert.ok(await rows(page).first().isVisible());
      await page.click(".live-act");
      await strip(page, "paused").waitFor();
      await push("orders", [`while paused ${width}`]);
      await page.locator(".live-words", { hasText: "(1 new)" }).waitFor();
      await page.click(".live-act");
      await line(page, `while paused ${width}`).waitFor();
    });

    test("a line that is open is not moved", async () => {
      await goLive(page, '{app="payments"}');
      await rows(page).first().locator(".meta").click();
      await page.locator(".sheet-line").waitFor();
      await push("payments", [`behind ${width}`]);
      await page.locator(".live-words", { hasText: "(1 new)" }).waitFor();
      assert.equal(await line(page, `behind ${width}`).count(), 0);
      await page.keyboard.press("Escape");
      await line(page, `behind ${width}`).waitFor();
      // a row that came in opens as the others do
      await line(page, `behind ${width}`).locator("> .text").click();
      await page.locator(".sheet-line", { hasText: `behind ${width}` }).waitFor();
      await isFit(page, "an open line");
      await page.keyboard.press("Escape");
      await strip(page, "live").waitFor();
    });

    test("oldest first, the newest line is at the end and stays in sight", async () => {
      await goLive(page, '{app="nginx"}', { direction: "forward" });
      assert.equal(await rows(page).count(), 100);
      await push("nginx", [`GET /${width}`]);
      await line(page, `GET /${width}`).waitFor();
      assert.equal(await rows(page).last().locator(".text").innerText(), `GET /${width}`);
      await page.waitForFunction(() => document.querySelector(".lines > .line:last-of-type, .lines > .line:nth-last-of-type(2)").getBoundingClientRect().bottom <= innerHeight);
      await page.mouse.move(width - 100, 400);
      await page.mouse.wheel(0, -900);
      await strip(page, "paused").waitFor();
      await isFit(page, "oldest first");
      await page.click(".live-act");
      await strip(page, "live").waitFor();
    });
  });

  test(`at ${width} px without scripts, the page says that it loads again, and does`, async () => {
    const page = await visitor({ width, script: false });
    await explore(page, server, '{app="orders"}');
    await follow(page, ".live-go", /live=1/);
    assert.match(await page.locator("#live").innerText(), /Live\s+this page loads again every 5 seconds/);
    await isFit(page, "live without scripts");
    await push("orders", [`without scripts ${width}`]);
    await line(page, `without scripts ${width}`).waitFor();
    await follow(page, ".live-go", (url) => !url.search.includes("live=1"));
    await page.context().close();
  });
}

test("live rows are those of history, also a trace that comes line by line", async () => {
  const page = await visitor({ width: 390 });
  await goLive(page, '{app=~"trace|mixed"}', { zone: "UTC" });
  await page.locator(".live-note", { hasText: "waiting for the first line" }).waitFor();
  await push("trace", ["java.lang.IllegalStateException: no beans"]);
  await line(page, "no beans").waitFor();
  for (const frame of ["\tat cafe.Grinder.grind(Grinder.java:7)", "\tat cafe.Bar.serve(Bar.java:3)", "Caused by: cafe.Empty: hopper"]) {
    await push("trace", [frame]);
  }
  await push("mixed", ['{"level":"error","msg":"<b>declined</b>"}', "level=warn msg=slow took=3s", "a\u0000b \u202egnp.exe"]);
  await line(page, "gnp.exe").waitFor();
  await page.locator(".fold-label", { hasText: "2 frames" }).waitFor();
  const shown = () =>
    rows(page).evaluateAll((lines) => lines.map((item) => {
      item.classList.remove("fresh");
      item.querySelector(".meta").removeAttribute("href");
      const copy = item.cloneNode(true);
      for (const part of [copy, ...copy.querySelectorAll("*")]) {
        for (const { name, value } of [...part.attributes]) if (name.startsWith("data-htmx") || value === "") part.removeAttribute(name);
      }
      return copy.outerHTML;
    }));
  const live = await shown();
  await page.reload();
  await rows(page).first().waitFor();
  assert.equal(live.length, 4);
  assert.deepEqual(live, await shown());
  await page.context().close();
});

test("the server goes and comes: the words say so, and no line is missing", async () => {
  const page = await visitor({ width: 390 });
  await goLive(page, '{app="restart"}');
  await push("restart", ["before"]);
  await line(page, "before").waitFor();
  await server.halt();
  await strip(page, "reconnecting").waitFor();
  assert.match(await page.locator("#live").innerText(), /Reconnecting…\s+no answer since \d\d:\d\d:\d\d/);
  await server.resume();
  await push("restart", numbered(40, "meanwhile"));
  await line(page, "meanwhile 39").waitFor();
  await push("restart", ["after"]);
  await line(page, "after").waitFor();
  assert.equal(await rows(page).count(), 42);
  await strip(page, "live").waitFor();
  page.wrong.length = 0;
  await isFit(page, "after a restart");
  await page.context().close();
});

test("who was away for long finds a row that says what is missing, and leads there", async () => {
  const page = await visitor({ width: 320 });
  await goLive(page, '{app="long"}');
  await push("long", ["the last one seen"]);
  await line(page, "the last one seen").waitFor();
  await page.context().setOffline(true);
  await strip(page, "reconnecting").waitFor();
  assert.match(await page.locator("#live").innerText(), /this device is offline/);
  const begin = Date.now();
  for (let part = 1; part <= 4; part += 1) await push("long", numbered(200, `part ${part}`), begin + part * 200);
  await page.context().setOffline(false);
  await line(page, "part 4 199").waitFor();
  const skipped = page.locator(".skipped");
  assert.match(await skipped.innerText(), /^550 lines were skipped/);
  assert.equal(await rows(page).count(), 251);
  page.wrong.length = 0;
  await isFit(page, "a gap");
  await skipped.getByRole("link").click();
  await page.waitForURL((url) => !url.search.includes("live=1"));
  await page.locator(".about", { hasText: "of 55" }).waitFor();
  await page.context().close();
});

test("who is signed out elsewhere is told, and comes back after the login", async () => {
  const page = await visitor({ width: 390 }, "jun");
  await goLive(page, '{app="orders"}');
  await page.context().clearCookies();
  await server.halt();
  await server.resume();
  await strip(page, "ended").waitFor();
  assert.match(await page.locator("#live").innerText(), /Ended\s+\d\d:\d\d:\d\d: you are signed out/);
  await page.click(".live-act");
  await page.waitForURL(/\/login/);
  await page.fill("[name=username]", "jun");
  await page.fill("[name=password]", PASSWORD);
  await page.click("form[action='/login'] button.primary");
  await page.waitForURL(/live=1/);
  await strip(page, "live").waitFor();
  await page.context().close();
});

test("a thousand lines a second neither freeze the page nor make it grow", async () => {
  const page = await visitor({ width: 390 });
  await goLive(page, '{app="flood"}');
  await page.evaluate(() => {
    window.slowest = 0;
    let last = performance.now();
    const frame = (now) => {
      window.slowest = Math.max(window.slowest, now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const begin = Date.now();
  for (let second = 0; second < 5; second += 1) {
    for (let tenth = 0; tenth < 10; tenth += 1) {
      const due = begin + second * 1000 + (tenth + 1) * 100;
      await push("flood", numbered(100, `flood ${second} ${tenth}`), due);
      await new Promise((done) => setTimeout(done, Math.max(0, due - Date.now())));
    }
  }
  await line(page, "flood 4 9 99").waitFor();
  assert.ok((await rows(page).count()) <= 500);
  const slowest = await page.evaluate(() => window.slowest);
  assert.ok(slowest < 1000, `a frame took ${slowest} ms`);
  console.log(`slowest frame at 1,000 lines a second: ${Math.round(slowest)} ms`);
  // what was taken off is found again
  await page.locator("#pager a").scrollIntoViewIfNeeded();
  const last = await rows(page).last().locator(".text").innerText();
  await page.click("#pager a");
  await page.waitForURL(/older=/);
  await rows(page).first().waitFor();
  const [, second, tenth, index] = /flood (\d) (\d) (\d+)/.exec(last).map(Number);
  const expected = index > 0 ? `flood ${second} ${tenth} ${index - 1}` : `flood ${second} ${tenth - 1} 99`;
  assert.equal(await rows(page).first().locator(".text").innerText(), expected);
  await page.context().close();
});

test("late lines are put where their time is, also across midnight, and days are told once", async () => {
  const page = await visitor({ width: 390 });
  const midnight = new Date();
  midnight.setUTCHours(0, 0, 0, 0);
  for (const direction of ["backward", "forward"]) {
    const app = `days-${direction}`;
    await goLive(page, `{app="${app}"}`, { direction, zone: "UTC", from: "now-30h" });
    const times = [[60_000, "today b"], [-60_000, "yesterday b"], [30_000, "today a"], [-90_000, "yesterday a"]];
    for (const [offset, text] of times) {
      await push(app, [text], midnight.getTime() + offset);
      await line(page, text).waitFor();
    }
    const texts = await page.locator(".lines > .line .text, .lines > .day").evaluateAll((items) => items.map((item) => (item.matches(".day") ? "day" : item.textContent.trim())));
    const newest = ["day", "today b", "today a", "day", "yesterday b", "yesterday a"];
    const oldest = ["day", "yesterday a", "yesterday b", "day", "today a", "today b"];
    assert.deepEqual(texts, direction === "backward" ? newest : oldest);
    assert.equal(await page.locator(".late").count(), 0, "nothing lies between, so none of them is further back");
  }
  await page.context().close();
});

test("lines from before all that is shown are counted in one row, in either order", async () => {
  const page = await visitor({ width: 320 });
  await push("tardy", numbered(150, "there"));
  for (const direction of ["backward", "forward"]) {
    await goLive(page, '{app="tardy"}', { direction });
    for (let nth = 1; nth <= 3; nth += 1) {
      await push("tardy", [`late ${direction} ${nth}`], Date.now() - 600_000);
      await page.locator(".late", { hasText: `further back: ${nth}` }).waitFor();
    }
    await push("tardy", [`on time ${direction}`]);
    await line(page, `on time ${direction}`).waitFor();
    const kinds = await page.locator(".lines > :is(.line, .late)").evaluateAll((items) => items.map((item) => (item.matches(".late") ? "late" : "line")));
    assert.equal(kinds.filter((kind) => kind === "late").length, 1);
    assert.equal(direction === "forward" ? kinds.at(-1) : kinds[0], "late");
    await isFit(page, `late lines, ${direction}`);
  }
  await page.locator(".late a").click();
  await line(page, "late forward 1").waitFor();
  await page.context().close();
});

test("of what waits while paused nothing is lost: older lines go on where the page ends", async () => {
  const page = await visitor({ width: 390 });
  await push("paused", numbered(100, "before"));
  await goLive(page, '{app="paused"}');
  await page.click(".live-act");
  await strip(page, "paused").waitFor();
  const begin = Date.now();
  for (let part = 1; part <= 4; part += 1) {
    await push("paused", numbered(200, `part ${part}`), begin + part * 200);
    await page.locator(".live-words", { hasText: `(${part * 200} new)` }).waitFor();
  }
  await page.click(".live-act");
  await line(page, "part 4 199").waitFor();
  assert.equal(await rows(page).count(), 500);
  assert.equal(await rows(page).last().locator(".text").innerText(), "part 2 100");
  await page.click("#pager a");
  await page.waitForURL(/older=/);
  await rows(page).first().waitFor();
  assert.equal(await rows(page).first().locator(".text").innerText(), "part 2 99");
  await page.context().close();
});
