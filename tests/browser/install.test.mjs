// The app on the home screen, and what it keeps: with the real service worker of the real binary.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WIDTHS, explore, isFit, launch, open, rows, signIn } from "./pages.mjs";
import { samples } from "./samples.mjs";
import { Server } from "./server.mjs";

let server;
let browser;

before(async () => {
  server = await Server.start();
  browser = await launch();
  server.addUser("mina");
  await server.push(samples(Date.now()));
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const isWorking = (page) => page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");

/** Every address in every cache, and all of what is kept as text. */
function kept(page) {
  return page.evaluate(async () => {
    const found = [];
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) {
        const answer = await cache.match(request);
        found.push({ name, path: new URL(request.url).pathname, text: await answer.text() });
      }
    }
    return found;
  });
}

for (const language of ["en", "ko"]) {
  test(`the manifest is complete in ${language}, and its icons are as large as it says`, async () => {
    const context = await browser.newContext({ locale: language, viewport: { width: 390, height: 740 } });
    const page = await context.newPage();
    await page.goto(`${server.url}/login`);
    const address = await page.locator("link[rel=manifest]").getAttribute("href");
    const answer = await fetch(server.url + address);
    assert.equal(answer.headers.get("content-type"), "application/manifest+json");
    const manifest = await answer.json();
    assert.equal(manifest.lang, language);
    assert.equal(manifest.display, "standalone");
    assert.ok(manifest.icons.some(({ purpose }) => purpose === "maskable"));
    for (const icon of manifest.icons.filter(({ type }) => type === "image/png")) {
      const size = await page.evaluate(async (src) => {
        const image = new Image();
        image.src = src;
        await image.decode();
        return `${image.naturalWidth}x${image.naturalHeight}`;
      }, icon.src);
      assert.equal(size, icon.sizes);
    }
    const touch = await page.locator("link[rel=apple-touch-icon]").getAttribute("href");
    assert.equal((await fetch(server.url + touch)).status, 200);
    const session = await context.newCDPSession(page);
    const { errors } = await session.send("Page.getAppManifest");
    assert.deepEqual(errors, []);
    const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
    // a window without history is no place to install from, which is all that there is to say
    assert.deepEqual(installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito"), []);
    await context.close();
  });
}

test("the shortcuts lead where they say", async () => {
  const page = await open(browser, { width: 390 });
  await signIn(page, server, "mina");
  const manifest = await page.evaluate(async () => (await fetch(document.querySelector("link[rel=manifest]").href)).json());
  for (const { url } of [...manifest.shortcuts, { url: manifest.start_url }]) {
    const answer = await page.goto(server.url + url);
    assert.equal(answer.status(), 200, url);
  }
  await page.goto(server.url + manifest.shortcuts[1].url);
  await page.locator("#live[data-state=live]").waitFor();
  await page.context().close();
});

test("nothing of a log and no page of a person is ever in a cache", async () => {
  const page = await open(browser, { width: 390 });
  await page.goto(`${server.url}/login`);
  // what an older release left behind goes as well
  await page.evaluate(async () => (await caches.open("logcafe-older")).put("/explore?query=", new Response("orders 4000")));
  await signIn(page, server, "mina");
  await isWorking(page);
  // all of what one does, now with the worker between
  await explore(page, server, '{app="orders"}');
  await rows(page).first().waitFor();
  await page.locator(".line time").first().click();
  await page.locator(".sheet-line").waitFor();
  await page.keyboard.press("Escape");
  await page.locator(".sheet-line").waitFor({ state: "hidden" });
  await page.locator("#pager a").click();
  await rows(page).nth(150).waitFor();
  const line = await page.locator(".line .meta").first().getAttribute("href");
  await page.goto(server.url + line);
  await page.goto(`${server.url}/explore?query=${encodeURIComponent('{app="payments"}')}&live=1`);
  await page.locator("#live[data-state=live]").waitFor();
  await server.push([{ labels: { app: "payments" }, lines: [[Date.now(), "a line that came in live"]] }]);
  await rows(page).filter({ hasText: "came in live" }).waitFor();
  await page.goto(`${server.url}/saved`);
  await page.goto(`${server.url}/account`);
  const found = await kept(page);
  assert.ok(found.length > 4);
  for (const { name, path, text } of found) {
    assert.notEqual(name, "logcafe-older");
    assert.ok(path.startsWith("/assets/") || path === "/offline", `${path} is in ${name}`);
    assert.ok(!/\bmina\b|cafe\.orders|payment accepted|came in live/.test(text), `${path} knows too much`);
  }
  assert.deepEqual(page.wrong, []);
  await page.context().close();
});

for (const width of WIDTHS) {
  test(`at ${width} px, without a connection: how old the page is, and a page for what cannot be had`, async () => {
    const page = await open(browser, { width });
    await signIn(page, server, "mina");
    await isWorking(page);
    await explore(page, server, '{app="orders"}');
    await page.evaluate(() => navigator.serviceWorker.ready);
    await server.halt();
    await page.locator("a.order").click();
    const banner = page.locator("#offline");
    await banner.waitFor();
    assert.match(await banner.innerText(), /No connection: what you see is from (now|\d+ (second|minute)s? ago)/);
    assert.ok((await rows(page).count()) > 0, "what was there is still there");
    page.wrong.length = 0;
    await isFit(page, "offline");
    await page.goto(`${server.url}/saved`);
    await page.getByRole("heading", { name: "No connection" }).waitFor();
    page.wrong.length = 0;
    await isFit(page, "the page for when nothing answers");
    await server.resume();
    await page.getByRole("link", { name: "Try again" }).click();
    await page.getByRole("heading", { name: /saved/i }).first().waitFor();
    assert.equal(new URL(page.url()).pathname, "/saved");
    await page.context().close();
  });
}

test("the page for when nothing answers speaks the language that was chosen last", async () => {
  const page = await open(browser, { width: 320 });
  await signIn(page, server, "mina");
  await isWorking(page);
  await page.locator("header .menu > summary").click();
  await page.click("[name=language][value=ko]");
  await page.waitForFunction(() => document.documentElement.lang === "ko");
  await page.waitForFunction(async () => (await (await caches.match("/offline")).text()).includes("연결되지 않음"));
  await page.context().close();
});
