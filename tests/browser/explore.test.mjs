// Reading logs in a real browser: on a small phone, a usual one and a desk, with and without scripts.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WIDTHS, explore, follow, isFit, launch, open, queryOf, rows, setUp, signIn } from "./pages.mjs";
import { hostile, samples } from "./samples.mjs";
import { PASSWORD, Server } from "./server.mjs";

let server;
let browser;

before(async () => {
  server = await Server.start();
  browser = await launch();
  const page = await open(browser, { width: 390 });
  await page.goto(server.setup);
  await isFit(page, "setup");
  await setUp(page, server, "mina");
  await page.context().close();
  server.addUser("jun");
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test("before the first push the page says how to send lines", async () => {
  const page = await open(browser, { width: 320 });
  await signIn(page, server, "mina");
  const yaml = await page.locator("#promtail").textContent();
  assert.match(yaml, new RegExp(`clients:\\n  - url: ${server.url}/loki/api/v1/push\\n    bearer_token: TOKEN`));
  await isFit(page, "nothing yet");
  await page.context().close();
  await server.push(samples(Date.now()));
});

for (const width of WIDTHS) {
  for (const script of [true, false]) {
    describe(`at ${width} px, ${script ? "with" : "without"} scripts`, () => {
      let page;

      before(async () => {
        page = await open(browser, { width, script });
        await signIn(page, server, "mina");
      });

      after(() => page?.context().close());

      test("lines are read, newest first, and the older ones follow", async () => {
        await explore(page, server, '{app="nginx"}');
        assert.equal(await rows(page).count(), 100);
        assert.match(await page.locator(".about").innerText(), /^100 newest of 240 lines/);
        const first = await rows(page).first().locator("time").getAttribute("datetime");
        assert.match(first, script ? /\+09:00$/ : /\+00:00$|Z$/);
        await isFit(page, "lines");
        const older = page.locator("#pager a", { hasText: "Older lines" });
        if (script) {
          await older.click();
          await rows(page).nth(199).waitFor();
          assert.equal(await rows(page).count(), 200);
        } else {
          await follow(page, older, /older=/);
          assert.equal(await rows(page).count(), 100);
          await follow(page, page.locator("a", { hasText: "Newer lines" }), /newer=/);
          assert.equal(await rows(page).first().locator("time").getAttribute("datetime"), first);
        }
      });

      test("words are searched and marked, in either case where wanted", async () => {
        await explore(page, server);
        await page.fill("#contains", "PAYMENT declined");
        await Promise.all([page.waitForURL(/declined/), page.press("#contains", "Enter")]);
        await page.locator(".nothing").waitFor();
        assert.match(await page.locator(".nothing").innerText(), /in upper or lower case/);
        await isFit(page, "no match");
        await follow(page, page.locator(".nothing a", { hasText: "upper or lower case" }), /%28%3Fi%29/);
        await rows(page).first().waitFor();
        assert.equal(await page.locator(".line mark").first().innerText(), "payment declined");
        assert.equal(queryOf(page), '{} |~ "(?i)PAYMENT declined"');
        assert.ok(await page.locator("[name=either_case]").isChecked());
      });

      test("labels are picked from lists that narrow", async () => {
        await explore(page, server);
        await openPanel(page, ".labels");
        const facet = (name) => page.locator(".facet", { has: page.getByRole("heading", { name, exact: true }) });
        assert.equal(await facet("app").locator(".choice").count(), 5);
        await follow(page, facet("env").locator(".choice", { hasText: "staging" }), /staging/);
        await page.locator(".chip", { hasText: "env = staging" }).waitFor();
        await openPanel(page, ".labels");
        assert.deepEqual(await facet("app").locator(".choice bdi").allInnerTexts(), ["roaster"]);
        await isFit(page, "labels");
        await follow(page, facet("env").locator(".choice", { hasText: "prod" }), /prod/);
        await page.locator(".chip", { hasText: "env = staging or prod" }).waitFor();
        assert.equal(queryOf(page), '{env=~"staging|prod"}');
        await follow(page, ".chip .remove", /query=%7B%7D/);
      });

      test("levels and the histogram lead into the lines", async () => {
        await explore(page, server, '{app="orders"}');
        const all = await counted(page);
        await follow(page, ".level.lv-error", /detected_level/);
        assert.equal(queryOf(page), '{app="orders"} | detected_level="error"');
        await page.locator(".lines > .line:not(.lv-error)").first().waitFor({ state: "detached" });
        assert.ok((await counted(page)) < all);
        const bar = page.locator(".histogram a").first();
        const wanted = await bar.locator("title").textContent();
        await Promise.all([page.waitForURL(/from=20/), bar.click()]);
        assert.match(wanted, new RegExp(`: ${await counted(page)} error`));
        await openPanel(page, ".time");
        await isFit(page, "time");
        await follow(page, page.locator(".presets a", { hasText: "6 hours" }), /from=now-6h/);
        await follow(page, ".time > a[aria-label=Earlier]", /from=20/);
        await follow(page, ".time > a[aria-label=Later]", /from=20/);
      });

      test("times are typed as people say them", async () => {
        await explore(page, server);
        await openPanel(page, ".time");
        await page.fill(".panel [name=from]", "2 hours ago");
        await page.fill(".panel [name=zone]", "Europe/Berlin");
        await Promise.all([page.waitForURL(/from=now-2h/), page.click(".span-form button")]);
        await page.locator(".about", { hasText: "Europe/Berlin" }).waitFor();
        await explore(page, server, "", "soonish");
        assert.match(await page.locator(".notice.bad").innerText(), /soonish/);
      });

      test("a stack trace is folded and opens", async () => {
        await explore(page, server, '{app="orders"} |= "ERROR"');
        const line = rows(page).first();
        const label = await line.locator(".fold summary").innerText();
        assert.match(label, /frames/);
        assert.match(label, /Connection is not available/);
        assert.ok(!(await line.locator(".rest").isVisible()));
        await line.locator(".fold summary").click();
        assert.ok(await line.locator(".rest").isVisible());
        await isFit(page, "folded");
      });

      test("a line opens, and its values filter for and out", async () => {
        await explore(page, server, '{app="payments"}');
        const line = rows(page).first();
        if (script) await line.locator("> .text").click();
        else await line.locator(".meta").click({ force: true });
        const sheet = page.locator(".sheet-line");
        await sheet.waitFor();
        await isFit(page, "a line");
        const pair = (name) => sheet.locator(".known", { has: page.locator(".name", { hasText: new RegExp(`^${name}$`) }) });
        assert.equal(await pair("app").locator(".value").innerText(), "payments");
        const plan = pair("user_plan");
        assert.equal(await plan.locator(".value").innerText(), "gold");
        await follow(page, plan.locator(".pick a").first(), /user_plan/);
        assert.equal(queryOf(page), '{app="payments"} | json | user_plan="gold"');
        await rows(page).first().waitFor();
        await page.goBack();
        if (script) {
          await page.waitForURL(/explore\/line/);
          await sheet.waitFor();
        }
        await follow(page, pair("host").locator(".pick a").nth(1), /host%21%3D/);
        assert.equal(queryOf(page), '{app="payments", host!="cafe-2"}');
        await page.locator(".nothing").waitFor();
      });

      test("an error is shown at its place, with a hint", async () => {
        await explore(page, server);
        await openPanel(page, ".logql");
        await page.fill("#query", '{app="orders"} |= "x" | status >');
        await Promise.all([page.waitForURL(/status/), page.click(".logql-form button")]);
        await page.locator(".fault mark").waitFor();
        assert.equal(await page.locator("#query").inputValue(), '{app="orders"} |= "x" | status >');
        await isFit(page, "a wrong query");
        if (!(await page.locator("#query").isVisible())) await openPanel(page, ".logql");
        await page.fill("#query", "sum by (app) (count_over_time({env=\"prod\"}[5m]))");
        await Promise.all([page.waitForURL(/count_over_time/), page.click(".logql-form button")]);
        await page.locator(".numbers tbody tr").first().waitFor();
        assert.ok((await page.locator(".chart polyline").count()) >= 4);
        await isFit(page, "numbers");
      });

      test("what is written in Korean is found", async () => {
        await explore(page, server);
        await page.fill("#contains", "결제 서버");
        await Promise.all([page.waitForURL(/%EA%B2%B0/), page.press("#contains", "Enter")]);
        await page.locator(".line mark").first().waitFor();
        assert.equal(await page.locator(".line mark").first().innerText(), "결제 서버");
      });

      test("a view is saved, shared, opened by another person, renamed, pinned and deleted", async () => {
        const name = `failed orders ${width} ${script}`;
        await explore(page, server, '{app="orders"} |= "failed"', "now-6h");
        await openPanel(page, ".save");
        await page.fill(".panel [name=name]", name);
        await page.check(".panel [name=shared]");
        await page.click(".save .panel button");
        if (script) await page.locator(".save .notice.good").waitFor();
        else await page.waitForURL(/\/saved/);

        const other = await open(browser, { width, script });
        await signIn(other, server, "jun");
        await other.goto(`${server.url}/saved`);
        await isFit(other, "saved");
        await other.click(`a.item-name:text-is("${name}")`);
        await other.waitForURL(/explore\?/);
        assert.equal(queryOf(other), '{app="orders"} |= "failed"');
        assert.ok((await rows(other).count()) > 0);

        await page.goto(`${server.url}/saved`);
        const item = (text) => page.locator(".list > li", { has: page.locator(`a.item-name:text-is("${text}")`) });
        const change = async (text) => {
          await item(text).locator("summary").click();
          return item(text);
        };
        await (await change(name)).locator("input[name=name]").fill(`${name} again`);
        await item(name).getByRole("button", { name: "Save changes" }).click();
        await item(`${name} again`).waitFor();
        await (await change(`${name} again`)).getByRole("button", { name: "Pin to the top" }).click();
        await item(`${name} again`).locator(".badge", { hasText: "Pinned" }).waitFor();
        await (await change(`${name} again`)).getByRole("button", { name: "Delete" }).click();
        await item(`${name} again`).waitFor({ state: "detached" });
        await other.goto(`${server.url}/saved`);
        assert.equal(await other.locator(".item-name", { hasText: name }).count(), 0);
        await other.context().close();
      });

      test("who leaves must sign in again, and comes back to the view", async () => {
        await explore(page, server, '{app="kiosk"}');
        await page.locator(".menu", { has: page.locator("form[action='/logout']") }).locator("summary").click();
        await page.click("form[action='/logout'] button");
        await page.waitForURL(/\/login/);
        await explore(page, server, '{app="kiosk"}');
        await page.waitForURL(/\/login/);
        await page.fill("[name=username]", "mina");
        await page.fill("[name=password]", PASSWORD);
        await page.click("form[action='/login'] button.primary");
        await page.waitForURL(/explore\?/);
        assert.equal(queryOf(page), '{app="kiosk"}');
        assert.deepEqual(page.wrong, []);
      });
    });
  }
}

test("a hostile line is only text", async () => {
  await server.push(hostile(Date.now()));
  for (const width of [320, 1280]) {
    const page = await open(browser, { width });
    await signIn(page, server, "mina");
    await explore(page, server, '{job="hostile"}');
    assert.equal(await rows(page).count(), 6);
    const text = await page.locator(".lines").innerText();
    assert.ok(text.includes("<script>document.title='owned'</script>"));
    assert.ok(text.includes("U+202E") && text.includes("U+0000") && text.includes("U+200B"));
    assert.equal(await page.locator("#forged, .lines img, .lines script").count(), 0);
    assert.equal(await page.locator(".lines a[href^=javascript]").count(), 0);
    for (let index = 0; index < 6; index += 1) {
      const line = rows(page).nth(index);
      await line.locator(".meta").click();
      await page.locator(".sheet-line").waitFor();
      await isFit(page, `hostile line ${index} at ${width}`);
      await page.keyboard.press("Escape");
      await page.locator(".sheet-line").waitFor({ state: "hidden" });
    }
    assert.match(await page.title(), /^Explore/);
    await page.context().close();
  }
});

test("a copied line is the stored one, letter by letter", async () => {
  const page = await open(browser, { width: 390 });
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await signIn(page, server, "mina");
  await explore(page, server, '{job="hostile"} |= "safe"');
  await rows(page).first().locator(".meta").click();
  await page.getByRole("button", { name: "Copy", exact: true }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.ok(copied.startsWith("safe \u202egnp.exe\u202c "), JSON.stringify(copied));
  await page.context().close();
});

test("a first visit is light on the network", async () => {
  // the service worker would answer for the network
  const page = await open(browser, { width: 390, serviceWorkers: "block" });
  await signIn(page, server, "mina");
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.clearBrowserCache");
  const holds = new Set();
  let bytes = 0;
  session.on("Network.responseReceived", ({ requestId, type, response }) => {
    if (type === "Document" || (type === "Stylesheet" && !/explore_(later|understand)/.test(response.url))) holds.add(requestId);
  });
  session.on("Network.loadingFinished", (event) => (bytes += holds.has(event.requestId) ? event.encodedDataLength : 0));
  await explore(page, server);
  assert.equal(await rows(page).count(), 100);
  assert.ok(bytes > 10_000 && bytes <= 30 * 1024, `the page waits for ${bytes} bytes before it is painted`);
  await page.context().close();
});

async function openPanel(page, name) {
  const summary = page.locator(`${name} summary.tool`).first();
  // beside the lines of a wide window, the labels are always open
  if (await summary.isVisible()) await summary.click();
  await page.locator(`${name} .panel`).first().waitFor();
}

async function counted(page) {
  const text = await page.locator(".about p[role=status]").innerText();
  return Number(/(?:of|All) ([\d,]+) line|^(1) line/.exec(text).slice(1).find(Boolean).replaceAll(",", ""));
}
