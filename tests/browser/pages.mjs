// What the tests do in a browser, and what must hold on every page.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { PASSWORD } from "./server.mjs";

export const WIDTHS = [320, 390, 1280];

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
}

/** A browser window that remembers what went wrong in it. */
export async function open(browser, { width, script = true, dark = false, locale = "en-US" } = {}) {
  const context = await browser.newContext({
    viewport: { width, height: width < 600 ? 740 : 900 },
    javaScriptEnabled: script,
    hasTouch: width < 600,
    isMobile: width < 600,
    deviceScaleFactor: width < 600 ? 2 : 1,
    colorScheme: dark ? "dark" : "light",
    timezoneId: "Asia/Seoul",
    locale,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.wrong = [];
  page.on("pageerror", (error) => page.wrong.push(String(error)));
  page.on("dialog", (dialog) => {
    page.wrong.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.wrong.push(message.text());
  });
  return page;
}

export async function signIn(page, server, name) {
  await page.goto(`${server.url}/login`);
  await page.fill("[name=username]", name);
  await page.fill("[name=password]", PASSWORD);
  await page.click("form[action='/login'] button.primary");
  await page.waitForURL(/\/explore/);
}

export async function explore(page, server, query = "", from = "now-1h", to = "now") {
  await page.goto(`${server.url}/explore?${new URLSearchParams({ query, from, to })}`);
}

/** The query that the address holds. */
export const queryOf = (page) => new URL(page.url()).searchParams.get("query");

/** Clicks, and waits until the page is the one that the click leads to, by a swap or by loading it. */
export async function follow(page, target, expected) {
  const locator = typeof target === "string" ? page.locator(target).first() : target;
  await locator.click();
  await page.waitForURL(expected);
  await page.locator("#explore h1").waitFor({ state: "attached" });
}

export const rows = (page) => page.locator(".lines > .line");

/** No sideways scroll, nothing on the console, targets that a thumb can hit. */
export async function isFit(page, what) {
  const facts = await page.evaluate(() => {
    const seen = (element) => {
      const box = element.getBoundingClientRect();
      const style = getComputedStyle(element);
      return box.width > 0 && box.height > 0 && style.visibility !== "hidden" && element.checkVisibility();
    };
    const touch = matchMedia("(pointer: coarse)").matches;
    const small = [];
    // A whole row is the target of its `.meta`; bars of the histogram have the zoom buttons beside them; links in
    // running text are as high as the text.
    for (const element of document.querySelectorAll("a, button, summary, input, select, textarea")) {
      if (!touch || !seen(element) || element.closest("svg, .skip, p, .fold")) continue;
      const target = element.matches(".meta") ? element.closest(".line") : element.closest("label") ?? element;
      const box = target.getBoundingClientRect();
      if (box.height < 43.5 || box.width < 43.5) {
        small.push(`${element.outerHTML.slice(0, 120)} ${box.width.toFixed()}×${box.height.toFixed()}`);
      }
    }
    return { scrollWidth: document.documentElement.scrollWidth, width: innerWidth, small };
  });
  assert.ok(facts.scrollWidth <= facts.width, `${what}: ${facts.scrollWidth} px wide in ${facts.width}`);
  assert.deepEqual(facts.small, [], `${what}: targets that are too small`);
  assert.deepEqual(page.wrong, [], `${what}: the console`);
}
