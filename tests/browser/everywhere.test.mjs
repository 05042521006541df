// What holds on every page: both languages, the way in from a desk to a phone, keys.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WIDTHS, isFit, launch, open, setUp, signIn } from "./pages.mjs";
import { samples } from "./samples.mjs";
import { Server } from "./server.mjs";

let server;
let browser;

before(async () => {
  server = await Server.start();
  browser = await launch();
  const page = await open(browser, { width: 390 });
  await setUp(page, server, "mina");
  await page.context().close();
  await server.push(samples(Date.now()));
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const width of WIDTHS) {
  for (const script of [true, false]) {
    describe(`at ${width} px, ${script ? "with" : "without"} scripts`, () => {
      test("a phone that opens the code of a desk is signed in, once", async () => {
        const desk = await open(browser, { width, script });
        await signIn(desk, server, "mina");
        await desk.goto(`${server.url}/account/phone`);
        await desk.getByRole("button", { name: "Show a code" }).click();
        await desk.locator(".qr svg path").waitFor();
        await isFit(desk, "the code");
        const address = await desk.locator("#pair-address").textContent();

        const phone = await open(browser, { width: 390, script });
        for (let look = 0; look < 2; look += 1) {
          await phone.goto(address);
          await phone.getByText("Sign in on this device as mina?").waitFor();
        }
        await isFit(phone, "the phone's question");
        await phone.getByRole("button", { name: "Sign in" }).click();
        await phone.waitForURL((url) => !url.pathname.startsWith("/pair"));
        await phone.goto(`${server.url}/account`);
        await phone.getByRole("heading", { name: "mina" }).waitFor();

        if (!script) await desk.goto(`${server.url}/account/phone`);
        await desk.locator("#pairing .notice.good", { hasText: "Signed in: " }).waitFor();
        await isFit(desk, "the phone is in");
        // the next phone
        await desk.getByRole("button", { name: "Show a code" }).click();
        await desk.locator(".qr svg path").waitFor();
        assert.equal(await desk.locator("[role=status], [role=alert]").filter({ hasText: /\d/ }).count(), 0, "seconds are not spoken");
        const says = desk.locator("#pairing");
        if (script) {
          await desk.route("**/account/phone/progress", (route) => route.fulfill({ status: 502, body: "Bad gateway" }), { times: 1 });
          const before = await says.innerText();
          await desk.waitForFunction((text) => document.querySelector("#pairing").innerText !== text, before);
          assert.match(await says.innerText(), /\d+ more seconds/);
          desk.wrong = desk.wrong.filter((text) => !text.includes("502"));
        }
        await desk.goto(`${server.url}/account/phone`);
        await says.getByRole("button", { name: "Show a code" }).waitFor();

        const thief = await open(browser, { width: 390, script });
        await thief.goto(address);
        await thief.getByText("This code was used already").waitFor();
        await Promise.all([desk, phone, thief].map((page) => page.context().close()));
      });

      test("the pages speak the language of the browser, and another one when asked", async () => {
        const page = await open(browser, { width, script, locale: "ko-KR" });
        await page.goto(`${server.url}/login`);
        await page.getByRole("button", { name: "로그인" }).waitFor();
        await isFit(page, "the login in Korean");
        await signIn(page, server, "mina");
        for (const path of ["/", "/explore", "/saved", "/account", "/account/phone", "/admin/users", "/admin/tokens", "/admin/system", "/nowhere"]) {
          await page.goto(`${server.url}${path}`);
          assert.equal(await page.locator("html").getAttribute("lang"), "ko", path);
          page.wrong = page.wrong.filter((text) => !(path === "/nowhere" && text.includes("404")));
          await isFit(page, `${path} in Korean`);
        }
        await page.goto(`${server.url}/account`);
        await page.locator(".menu", { has: page.locator("form[action='/logout']") }).locator("> summary").click();
        await page.getByRole("button", { name: "English" }).click();
        await page.getByRole("heading", { name: "Where you are signed in" }).waitFor();
        assert.equal(await page.locator("html").getAttribute("lang"), "en");
        await page.context().close();
      });
    });
  }
}

test("the keyboard is enough, and its keys can be looked up and switched off", async () => {
  const page = await open(browser, { width: 1280 });
  await signIn(page, server, "mina");
  await page.goto(`${server.url}/explore?query=&from=now-1h&to=now`);
  await page.keyboard.press("?");
  const sheet = page.locator("#keys");
  await sheet.waitFor();
  await isFit(page, "the keys");
  assert.match(await sheet.innerText(), /Next line, previous line/);
  await page.keyboard.press("Escape");
  await sheet.waitFor({ state: "hidden" });
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  const focused = () => page.evaluate(() => [...document.querySelectorAll(".lines > .line")].indexOf(document.activeElement.closest(".line")));
  assert.equal(await focused(), 1);
  await page.keyboard.press("k");
  assert.equal(await focused(), 0);
  await page.keyboard.press("/");
  await page.keyboard.type("j?");
  assert.equal(await page.locator("#contains").inputValue(), "j?", "what is typed is only typed");
  await page.evaluate(() => document.activeElement.blur());
  // while one writes Hangul
  const press = (key, code, shiftKey = false) => page.evaluate((init) => document.body.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...init })), { key, code, shiftKey });
  await press("ㅓ", "KeyJ");
  await press("Process", "KeyJ");
  assert.ok((await focused()) >= 0, "j");
  await press("Process", "Slash", true);
  await sheet.waitFor();
  await sheet.getByRole("checkbox").uncheck();
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  assert.notEqual(await page.evaluate(() => document.activeElement.id), "contains");
  await page.keyboard.press("?");
  assert.equal(await sheet.isVisible(), false, "all keys are off");
  await page.evaluate(() => document.querySelector("[data-show-keys]").closest("details").setAttribute("open", ""));
  await page.locator("[data-show-keys]").click();
  await sheet.waitFor();
  await isFit(page, "the keys, switched off");
  await page.context().close();
});

test("in the dark every text can be read", async () => {
  for (const width of [320, 1280]) {
    const page = await open(browser, { width, dark: true });
    await page.goto(`${server.url}/login`);
    await isFit(page, "the login in the dark");
    await signIn(page, server, "mina");
    for (const path of ["/", "/explore", "/saved", "/account", "/admin/users", "/admin/tokens", "/admin/system"]) {
      await page.goto(`${server.url}${path}`);
      await isFit(page, `${path} in the dark`);
    }
    await page.context().close();
  }
});
