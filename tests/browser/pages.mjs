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
export async function open(browser, { width, script = true, dark = false, locale = "en-US", serviceWorkers = "allow" } = {}) {
  const context = await browser.newContext({
    viewport: { width, height: width < 600 ? 740 : 900 },
    javaScriptEnabled: script,
    hasTouch: width < 600,
    isMobile: width < 600,
    deviceScaleFactor: width < 600 ? 2 : 1,
    colorScheme: dark ? "dark" : "light",
    timezoneId: "Asia/Seoul",
    locale,
    serviceWorkers,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.wrong = [];
  page.on("pageerror", (error) => {
    // the browser's word for a page that was left before it had faded in
    if (!/ViewTransition|Transition was/.test(String(error))) page.wrong.push(String(error));
  });
  page.on("dialog", (dialog) => {
    page.wrong.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.wrong.push(message.text());
  });
  return page;
}

/** Makes the first account, as the setup address offers it. */
export async function setUp(page, server, name) {
  await page.goto(server.setup);
  await page.fill("[name=username]", name);
  await page.fill("[name=password]", PASSWORD);
  await page.click("form[action='/setup'] button.primary");
  await page.waitForURL((url) => url.pathname === "/");
}

export async function signIn(page, server, name) {
  await page.goto(`${server.url}/login`);
  await page.fill("[name=username]", name);
  await page.fill("[name=password]", PASSWORD);
  await page.click("form[action='/login'] button.primary");
  await page.waitForURL((url) => url.pathname !== "/login");
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

/** Texts whose colour is too near to what lies behind them: WCAG 2.2 asks for 4.5:1, and 3:1 where they are large. */
const pale = (page) =>
  page.evaluate(() => {
    const parse = (text) => {
      const numbers = text.match(/-?[\d.]+(e-?\d+)?/g)?.map(Number) ?? [0, 0, 0, 0];
      const scale = text.startsWith("color(") ? 255 : 1;
      return { rgb: numbers.slice(0, 3).map((value) => value * scale), alpha: numbers[3] ?? 1 };
    };
    const over = (top, alpha, below) => top.map((value, index) => value * alpha + below[index] * (1 - alpha));
    const luminance = (rgb) => {
      const [red, green, blue] = rgb.map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = (element) => {
      const layers = [];
      for (let at = element; at; at = at.parentElement) {
        const { rgb, alpha } = parse(getComputedStyle(at).backgroundColor);
        if (alpha > 0) layers.push([rgb, alpha]);
        if (alpha === 1) break;
      }
      return layers.reduceRight((below, [rgb, alpha]) => over(rgb, alpha, below), [255, 255, 255]);
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.textContent.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      // the letters of a painted textarea are seen in the layer under it, so that is what is measured
      if (element.closest("script, style, template, noscript, option, datalist, title, :disabled, [aria-disabled=true], .sr-only, [aria-hidden=true]:not(.layer), .painted > textarea")) continue;
      const style = getComputedStyle(element);
      const ground = behind(element);
      const { rgb, alpha } = parse(style.color);
      let opacity = alpha;
      for (let at = element; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
      const [light, dark] = [luminance(over(rgb, opacity, ground)), luminance(ground)].sort((a, b) => b - a);
      const ratio = (light + 0.05) / (dark + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5) - 0.01) found.push(`${walker.currentNode.textContent.trim().slice(0, 60)} ${ratio.toFixed(2)}`);
    }
    return [...new Set(found)];
  });

/** What a screen reader could not say or find: controls without a name, ids that stand twice, a page without its heading. */
const unsaid = (page) =>
  page.evaluate(() => {
    const found = [];
    const spoken = (node) => {
      if (node.nodeType === Node.TEXT_NODE) return node.textContent;
      if (node.nodeType !== Node.ELEMENT_NODE || node.getAttribute("aria-hidden") === "true") return "";
      return node.getAttribute("aria-label") ?? node.getAttribute("alt") ?? [...node.childNodes].map(spoken).join("");
    };
    for (const element of document.querySelectorAll("a[href], button, summary, input, select, textarea, [role=button], [tabindex='0']")) {
      if (!element.checkVisibility() || element.type === "hidden" || element.closest("[aria-hidden=true]")) continue;
      const labelled = (element.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)).filter(Boolean);
      const labels = [...(element.labels ?? []), ...labelled].map(spoken).join("");
      const name = element.getAttribute("aria-label") ?? (labels || (element.matches("input, select, textarea") ? "" : spoken(element)) || element.title);
      if (!name?.trim()) found.push(`no name: ${element.outerHTML.slice(0, 120)}`);
    }
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    found.push(...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `twice: #${id}`));
    const headings = document.querySelectorAll("h1").length;
    if (headings !== 1) found.push(`${headings} h1`);
    if (!document.querySelector("main")) found.push("no main");
    return found;
  });

/** No sideways scroll, nothing on the console, targets that a thumb can hit, texts that can be read or said. */
export async function isFit(page, what) {
  const facts = await page.evaluate(() => {
    const seen = (element) => {
      const box = element.getBoundingClientRect();
      const style = getComputedStyle(element);
      return box.width > 0 && box.height > 0 && style.visibility !== "hidden" && element.checkVisibility();
    };
    const touch = matchMedia("(pointer: coarse)").matches;
    const small = [];
    // A whole row is the target of its `.meta`, a whole card that of its name; bars of the histogram have the zoom buttons beside them; links in
    // running text are as high as the text.
    for (const element of document.querySelectorAll("a, button, summary, input, select, textarea")) {
      if (!touch || !seen(element) || element.closest("svg, .skip, p, .text, .fold, .pick-box")) continue;
      const whole = element.matches(".meta, .svc > .name, .pane > h2 > a") && element.closest(".line, .svc, .pane");
      const target = whole || (element.closest("label") ?? element);
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
  assert.deepEqual(await unsaid(page), [], `${what}: what cannot be said`);
  assert.deepEqual(await pale(page), [], `${what}: texts that are too pale`);
}
