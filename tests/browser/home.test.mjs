// What one looks at first: services at a glance and one's own panels, on a phone and a desk, with and without scripts.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WIDTHS, explore, isFit, launch, open, queryOf, rows, setUp, signIn } from "./pages.mjs";
import { hostile, samples } from "./samples.mjs";
import { Server } from "./server.mjs";

let server;
let browser;

before(async () => {
  server = await Server.start();
  browser = await launch();
  const page = await open(browser, { width: 390 });
  await setUp(page, server, "mina");
  await page.locator("#promtail").waitFor();
  assert.equal(await page.locator(".board").count(), 0, "nothing to look at yet but how to send lines");
  await isFit(page, "home before the first push");
  await page.context().close();
  const now = Date.now();
  await server.push(samples(now));
  await server.push(samples(now - 3600_000).slice(0, 2).map((stream) => ({ ...stream, lines: stream.lines.slice(0, 60) })));
  await server.push(hostile(now));
  const at = now - 185 * 60_000;
  await server.push([{ labels: { job: "backup", app: "backup", host: "cafe-1" }, lines: [[at, "backup done"]] }]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const cards = (page) => page.locator(".svc");
const card = (page, name) => cards(page).filter({ has: page.locator(`bdi:text-is("${name}")`) });
const names = (page) => page.locator(".svc .name").allInnerTexts();

for (const width of WIDTHS) {
  for (const script of [true, false]) {
    describe(`at ${width} px, ${script ? "with" : "without"} scripts`, () => {
      const who = `ann${width}${script}`;
      let page;

      before(async () => {
        server.addUser(who);
        page = await open(browser, { width, script });
        await signIn(page, server, who);
      });

      after(() => page?.context().close());

      const home = async (search = "") => {
        await page.goto(`${server.url}/${search}`);
        await cards(page).first().waitFor();
      };
      // Without a script a change of a form takes its button.
      const sieve = async (change, expected) => {
        await change();
        if (!script) await page.click(".sieve button");
        await page.waitForURL(expected);
      };

      test("services are there at a glance, the worst first", async () => {
        await home();
        assert.deepEqual((await names(page)).slice(0, 2), ["payments", "orders"]);
        const payments = card(page, "payments");
        assert.match(await payments.locator(".nums").innerText(), /240 lines[\s\S]*11 errors/);
        assert.ok((await payments.locator(".spark path").count()) >= 2);
        assert.match(await payments.locator(".last").innerText(), /^I (just now|\d min ago) .*payment accepted/);
        assert.match(await card(page, "orders").locator(".nums").innerText(), /240 lines ▲ 4×[\s\S]*9 errors ▲ \d/);
        assert.match(await card(page, "backup").locator(".last").innerText(), /silent for 3 h \d+ min backup done/);
        assert.match(await page.locator(".totals").innerText(), /^8 services/);
        assert.equal(await page.title(), "Home · logcafe");
        await isFit(page, "home");
        await payments.locator(".name").click();
        await page.waitForURL(/explore\?/);
        assert.equal(queryOf(page), '{service_name="payments"}');
        await rows(page).first().waitFor();
        await page.goBack();
        await cards(page).first().waitFor();
      });

      test("they are searched, sorted, grouped and shown over another range", async () => {
        await home();
        await sieve(() => page.fill("#find", "NGI"), /find=NGI/);
        await page.locator(".svc bdi:text-is('payments')").waitFor({ state: "detached" });
        assert.deepEqual(await names(page), ["nginx"]);
        await home();
        await sieve(() => page.selectOption("[name=sort]", "silent"), /sort=silent/);
        await page.locator(".svc:first-child bdi:text-is('backup')").waitFor();
        await sieve(() => page.selectOption("[name=by]", "host"), /by=host/);
        await card(page, "cafe-2").waitFor();
        assert.match(await page.locator(".totals").innerText(), /^4 host/);
        await page.locator(".ranges a", { hasText: "6 h" }).click();
        await page.waitForURL(/range=6h/);
        assert.match(page.url(), /sort=silent&by=host/);
        await page.locator(".ranges a[aria-current]", { hasText: "6 h" }).waitFor();
        await isFit(page, "hosts over six hours");
        await page.goBack();
        await page.locator(".ranges a[aria-current]", { hasText: "1 h" }).waitFor();
      });

      test("favourites stand on top", async () => {
        await home("?range=6h");
        await page.getByRole("button", { name: "Pin roaster", exact: true }).click();
        await page.getByRole("button", { name: "Unpin roaster", exact: true }).waitFor();
        assert.match(page.url(), /range=6h/);
        assert.equal((await names(page))[0], "roaster");
        await page.getByRole("button", { name: "Unpin roaster", exact: true }).click();
        await page.getByRole("button", { name: "Pin roaster", exact: true }).waitFor();
        assert.notEqual((await names(page))[0], "roaster");
      });

      test("a home is made of saved queries and queries of its own", async () => {
        await explore(page, server, '{app="payments"} |= "declined"', "now-6h");
        await page.locator(".sheet-menu.save > summary").click();
        await page.locator(".save .panel a", { hasText: "Show on Home" }).click();
        await page.waitForURL(/arrange\?query=/);
        assert.equal(await page.locator("#add [name=query]").inputValue(), '{app="payments"} |= "declined"');
        assert.equal(await page.locator("#add [name=span]").inputValue(), "6h");
        await page.goto(`${server.url}/`);
        const starter = page.locator(".pane.count");
        assert.match(await starter.innerText(), /Errors[\s\S]*\d\d/);
        await page.getByRole("button", { name: "Arrange" }).click();
        await page.waitForURL(/arrange/);
        const panel = (title) => page.locator(".arrange > li").filter({ has: page.locator(".item-name", { hasText: title }) });
        assert.equal(await page.locator(".arrange > li").count(), 2);
        const add = async (fields) => {
          await page.goto(`${server.url}/arrange?${new URLSearchParams({ query: fields.query })}`);
          await page.fill("#add [name=title]", fields.title);
          await page.selectOption("#add [name=kind]", fields.kind);
          await page.selectOption("#add [name=span]", "6h");
          await isFit(page, "adding a panel");
          await page.click("#add button.primary");
          await page.waitForURL((url) => url.pathname === "/");
        };
        await add({ query: '{app="payments"} |= "declined"', title: "Declined", kind: "lines" });
        await add({ query: 'sum by (app) (count_over_time({env="prod"}[5m]))', title: "Rates", kind: "graph" });
        await add({ query: '{} |= "order"', title: "Orders", kind: "table" });
        await add({ query: "{wrong", title: "Broken", kind: "count" });
        const pane = (title) => page.locator(".pane").filter({ has: page.locator("h2", { hasText: title }) });
        assert.match(await pane("Declined").locator(".words").first().innerText(), /payment declined/);
        assert.equal(await pane("Rates").locator("polyline").count(), 4);
        assert.match(await pane("Orders").locator(".ranks li").first().innerText(), /orders[\s\S]*\d/);
        assert.match(await pane("Broken").locator(".notice.bad").innerText(), /A name needs a comparison/);
        await isFit(page, "a home with panels");

        await page.getByRole("button", { name: "Arrange" }).click();
        await page.getByRole("button", { name: "Move Declined up" }).click();
        await page.waitForURL(/#panel-\d/);
        await page.getByRole("button", { name: "Move Declined up" }).click();
        await page.locator(".arrange > li:first-child .item-name", { hasText: "Declined" }).waitFor();
        await panel("Broken").locator("summary").click();
        await isFit(page, "arranging");
        await panel("Broken").locator("textarea").fill('{app="kiosk"}');
        await panel("Broken").locator("[name=title]").fill("Mended");
        await panel("Broken").getByRole("button", { name: "Save" }).click();
        await panel("Mended").locator("summary").click();
        await page.goto(`${server.url}/`);
        assert.match(await pane("Mended").locator(".figure").innerText(), /^\d+/);
        assert.match(await page.locator(".pane h2").first().innerText(), /Declined/);
        await pane("Mended").locator("h2 a").click();
        await page.waitForURL(/explore\?/);
        assert.equal(queryOf(page), '{app="kiosk"}');
        await page.goto(`${server.url}/arrange`);
        await panel("Services").locator("summary").click();
        await panel("Services").getByRole("button", { name: "Remove" }).click();
        await page.locator(".notice.good", { hasText: "Removed." }).waitFor();
        await page.goto(`${server.url}/`);
        await pane("Mended").waitFor();
        assert.equal(await cards(page).count(), 0);
      });

      test("what a log says is only text here", async () => {
        await page.goto(`${server.url}/arrange?query=${encodeURIComponent('{job="hostile"}')}`);
        await page.selectOption("#add [name=kind]", "lines");
        await page.fill("#add [name=title]", "<img src=x onerror=document.title='owned'>");
        await page.click("#add button.primary");
        await page.waitForURL((url) => url.pathname === "/");
        assert.equal(await page.locator("main img, main script, #forged").count(), 0);
        assert.equal(await page.title(), "Home · logcafe");
        await isFit(page, "hostile lines at home");
      });
    });
  }
}

test("a panel is fresh again when it is looked at after a while, and its age is told", async () => {
  const page = await open(browser, { width: 390 });
  await page.clock.install();
  await signIn(page, server, "mina");
  const pane = page.locator(".pane.count");
  const figure = async () => Number((await pane.locator(".figure").innerText()).match(/\d+/)[0]);
  const before = await figure();
  await server.push([{ labels: { app: "late", job: "late" }, lines: [[Date.now(), "level=error late"]] }]);
  await page.clock.fastForward(45_000);
  await pane.locator(".age", { hasText: "40 sec. ago" }).waitFor();
  await page.clock.fastForward(30_000);
  await page.waitForFunction((count) => Number(document.querySelector(".pane.count .figure").textContent.match(/\d+/)[0]) > count, before);
  await card(page, "late").waitFor();
  assert.deepEqual(page.wrong, []);
  await page.context().close();
});

test("a server that is away for a moment takes nothing from the page", async () => {
  const page = await open(browser, { width: 390 });
  await page.clock.install();
  await signIn(page, server, "mina");
  await cards(page).first().waitFor();
  const asked = [];
  const isRefresh = (request) => request.headers()["logcafe-refresh"] === "1";
  const gateway = (route) => {
    if (!isRefresh(route.request())) return route.fallback();
    asked.push(new URL(route.request().url()).pathname);
    return route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad gateway</h1>" });
  };
  await page.route("**/*", gateway);
  const failed = page.waitForResponse((response) => response.status() === 502 && new URL(response.url()).pathname === "/");
  await page.clock.fastForward(75_000);
  await failed;
  await page.waitForFunction(() => !document.querySelector(".htmx-request"));
  assert.ok(asked.includes("/") && asked.includes("/panels/0"), asked.join());
  assert.equal(await page.getByText("Bad gateway").count(), 0);
  assert.ok((await cards(page).count()) > 5 && (await page.locator(".pane.count .figure").count()) === 1);
  await page.unroute("**/*", gateway);
  const fresh = page.waitForResponse((response) => response.ok() && isRefresh(response.request()) && new URL(response.url()).pathname === "/");
  await page.clock.fastForward(30_000);
  await fresh;
  page.wrong = page.wrong.filter((text) => !text.includes("502"));
  assert.deepEqual(page.wrong, []);
  await page.context().close();
});

test("panels are dragged on a desk", async () => {
  server.addUser("dora");
  const page = await open(browser, { width: 1280 });
  await signIn(page, server, "dora");
  await page.getByRole("button", { name: "Arrange" }).click();
  const items = page.locator(".arrange > li");
  assert.match(await items.first().innerText(), /Errors/);
  // only the panel itself is dragged, and only while its handle is held
  const drag = (type, selector) => page.evaluate(([name, on]) => document.querySelector(on).dispatchEvent(new DragEvent(name, { bubbles: true, dataTransfer: new DataTransfer() })), [type, selector]);
  await drag("dragstart", ".arrange .item-name");
  assert.equal(await page.locator(".arrange > .dragged").count(), 0, "a text of it is not the panel");
  await items.nth(0).locator(".handle").click();
  assert.equal(await items.nth(0).evaluate((item) => item.draggable), false);
  await drag("dragstart", ".arrange > li");
  await drag("dragend", ".arrange > li");
  await drag("dragover", ".arrange > li:last-child");
  assert.equal(await page.locator(".dragged, .over-before, .over-after").count(), 0, "nothing is dragged any more");
  await items.nth(0).locator(".handle").dragTo(items.nth(1), { targetPosition: { x: 60, y: 60 } });
  await page.locator(".arrange > li:first-child .item-name", { hasText: "Services" }).waitFor();
  assert.deepEqual(page.wrong, []);
  await page.context().close();
});

test("in Korean all of it is Korean", async () => {
  const page = await open(browser, { width: 390 });
  await page.context().addCookies([{ name: "logcafe_language", value: "ko", url: server.url }]);
  await signIn(page, server, "mina");
  await cards(page).first().waitFor();
  assert.equal(await page.title(), "홈 · logcafe");
  assert.match(await card(page, "payments").locator(".nums").innerText(), /240줄[\s\S]*오류 11개/);
  await isFit(page, "home in Korean");
  await page.context().close();
});
