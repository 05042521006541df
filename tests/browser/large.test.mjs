// Text of twice its size: on a phone nothing is cut, nothing scrolls sideways, nothing stands before the lines.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, setUp } from "./pages.mjs";
import { samples } from "./samples.mjs";
import { Server } from "./server.mjs";

const PAGES = ["/", "/explore", "/explore?show=fields", "/explore?show=patterns", "/explore?show=compare", "/explore?query=zqx", "/explore?query=rate({app%3D%22nginx%22}[5m])", "/explore?query={app%3D", "/saved", "/saved/history", "/account", "/arrange?query=", "/admin/system", "/admin/users", "/admin/tokens"];

let server;
let browser;
let page;

before(async () => {
  server = await Server.start();
  browser = await launch();
  page = await open(browser, { width: 390 });
  await setUp(page, server, "mina");
  await server.push(samples(Date.now()));
  await page.addInitScript(() => {
    addEventListener("DOMContentLoaded", () => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(":root { font-size: 200% }");
      document.adoptedStyleSheets = [sheet];
    });
  });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** What reaches beyond the screen, what shows less than it says, which controls lie on each other, what stays where it is. */
const faults = () =>
  page.evaluate(() => {
    const name = (element) => `${element.tagName}.${element.className.baseVal ?? element.className} “${element.textContent.trim().slice(0, 30)}”`;
    const seen = [...document.querySelectorAll("body *")].filter((element) => element.checkVisibility() && !element.closest(".sr-only, .skip, .table-scroll, .painted, .yaml, .text *, svg:not(.axis)"));
    const out = [];
    const wide = document.documentElement.clientWidth;
    for (const element of seen) {
      const box = element.getBoundingClientRect();
      if (box.width > 0 && (box.right > wide + 1 || box.left < -1)) out.push(`beyond: ${name(element)} ${box.left.toFixed()}–${box.right.toFixed()}`);
      const isCut = element.matches("button, .button, .tool, .tool-text, .level, .views a, .nav a, .figure, h1, h2, .case span") && element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== "inline";
      if (isCut) out.push(`cut: ${name(element)}`);
      if (["fixed", "sticky"].includes(getComputedStyle(element).position) && box.width > 0) out.push(`stays: ${name(element)}`);
    }
    const texts = seen.filter((element) => element.matches(".axis text, .views a, .nav a, .time > *, .ask > *, .search > *, .levels > li"));
    for (const [index, one] of texts.entries()) {
      for (const other of texts.slice(index + 1)) {
        const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 1 && down > 1) out.push(`on each other: ${name(one)}, ${name(other)}`);
      }
    }
    if (innerWidth > wide) out.push(`${innerWidth} px wide in ${wide}`);
    return out;
  });

for (const path of PAGES) {
  test(`${path} is whole with text of twice the size`, async () => {
    await page.goto(server.url + path);
    await page.locator("html.big").waitFor();
    assert.deepEqual(await faults(), []);
    assert.deepEqual(page.wrong, []);
  });
}
