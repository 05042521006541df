// Saving, remembering, linking, freezing and downloading a view, in a real browser.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { WIDTHS, explore, isFit, launch, open, queryOf, rows, signIn } from "./pages.mjs";
import { hostile, samples } from "./samples.mjs";
import { Server } from "./server.mjs";

let server;
let browser;

before(async () => {
  server = await Server.start();
  browser = await launch();
  server.addUser("mina");
  server.addUser("jun");
  await server.push(samples(Date.now()));
  await server.push(hostile(Date.now()));
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function openSheet(page) {
  await page.locator(".save summary.tool").click();
  await page.locator(".save .panel").waitFor();
}

for (const width of WIDTHS) {
  for (const script of [true, false]) {
    describe(`at ${width} px, ${script ? "with" : "without"} scripts`, () => {
      let page;

      before(async () => {
        page = await open(browser, { width, script });
        await signIn(page, server, "mina");
      });

      after(() => page?.context().close());

      test("a view is saved with tags, saved over, and found by tag and word", async () => {
        const name = `payments ${width} ${script}`;
        await page.goto(`${server.url}/explore?${new URLSearchParams({ query: '{app="payments"}', from: "now-6h", to: "now", columns: "level,msg" })}`);
        await openSheet(page);
        await isFit(page, "the sheet");
        await page.fill(".save [name=name]", name);
        await page.fill(".save [name=tags]", `money, t${width}${script}`);
        await page.click(".save #keep-here button.primary");
        if (script) await page.locator(".save .notice.good").waitFor();
        else await page.waitForURL(/\/saved/);
        await page.goto(`${server.url}/saved`);
        await isFit(page, "saved");
        await page.locator(".tag", { hasText: `#t${width}${script}` }).click();
        await page.locator(".tag[aria-current]").waitFor();
        assert.equal(await page.locator(".list > li").count(), 1);
        await page.locator("a.item-name", { hasText: name }).click();
        await page.waitForURL(/columns=level%2Cmsg.*saved=/);
        await openSheet(page);
        await isFit(page, "the sheet of a saved view");
        await page.locator(".save button", { hasText: `Save over “${name}”` }).click();
        if (script) await page.locator(".save .notice.good").waitFor();
        else await page.waitForURL(/done=replaced/);
        await page.goto(`${server.url}/saved?find=nothing+like+it`);
        await page.locator(".empty").waitFor();
        await isFit(page, "nothing found");
      });

      test("what was asked is found again, saved and forgotten", async () => {
        const words = `asked ${width} ${script}`;
        await explore(page, server, `{app="nginx"} |= "${words}"`);
        await page.goto(`${server.url}/saved/history`);
        await isFit(page, "history");
        await page.fill("[name=find]", words);
        await Promise.all([page.waitForURL(/find=asked/), page.press("[name=find]", "Enter")]);
        assert.equal(await page.locator(".asked-before").count(), 1);
        await page.locator("a", { hasText: "☆" }).click();
        await page.waitForURL(/\/saved\/new/);
        await isFit(page, "to be saved");
        await page.fill("[name=name]", words);
        await page.locator("button.primary").click();
        await page.locator("a.item-name", { hasText: words }).waitFor();
        await page.goto(`${server.url}/saved/history?find=${encodeURIComponent(words)}`);
        await page.locator("button", { hasText: "Forget" }).first().click();
        await page.waitForURL(/history$/);
        assert.equal(await page.locator(".asked-before", { hasText: words }).count(), 0);
      });

      test("a short link leads another person to the same span", async () => {
        await explore(page, server, '{app="kiosk"}');
        await openSheet(page);
        await page.locator("#link-here button").click();
        await page.locator(".made .secret").waitFor();
        await isFit(page, "a link");
        const link = await page.locator(".made .secret").innerText();
        assert.match(link, /\/s\/[a-z0-9]{8}$/);
        const other = await open(browser, { width, script });
        await other.goto(link);
        await other.waitForURL(/\/login/);
        await other.fill("[name=username]", "jun");
        await other.fill("[name=password]", "three warm cups");
        await other.click("form[action='/login'] button.primary");
        await other.waitForURL(/explore\?.*from=20/);
        assert.equal(queryOf(other), '{app="kiosk"}');
        await other.context().close();
        await page.locator("button", { hasText: "Move with the clock" }).click();
        await page.getByText("It moves with the clock").waitFor();
        await page.goto(`${server.url}/saved/links`);
        await isFit(page, "links");

        await explore(page, server, '{app="kiosk"}');
        if (script) {
          await rows(page).nth(2).locator(".meta").click();
          await page.locator(".sheet-line").waitFor();
        } else {
          await page.goto(new URL(await rows(page).nth(2).locator(".meta").getAttribute("href"), server.url).href);
        }
        await page.locator(".sheet-line details.more > summary").click();
        await page.locator(".sheet-line form[action='/s'] button").click();
        await page.locator(".made .secret").waitFor();
        await isFit(page, "a link to a line");
        await page.goto(await page.locator(".made .secret").first().innerText());
        await page.waitForURL(/line=\d+/);
      });

      test("a snapshot is read by someone without an account until it is revoked", async () => {
        await explore(page, server, '{job=~"hostile|kiosk"}');
        await openSheet(page);
        await page.locator(".save button", { hasText: "Snapshot" }).click();
        await page.waitForURL(/snapshots\/new/);
        await isFit(page, "the warning");
        await page.fill("[name=title]", `for Kim ${width} ${script}`);
        await page.check("[name=understood]");
        await page.locator("button.primary").click();
        const link = await page.locator("#link-text").innerText();
        await isFit(page, "the public link");

        const guest = await open(browser, { width, script: false });
        await guest.goto(link);
        await isFit(guest, "a snapshot");
        assert.ok((await guest.locator(".line").count()) >= 60);
        assert.equal(await guest.locator("script, form, .line img, #forged").count(), 0);
        assert.ok((await guest.locator("main").innerText()).includes("<script>document.title='owned'</script>"));
        await guest.locator(".frozen-labels summary").first().click();
        await isFit(guest, "labels of a frozen line");
        assert.deepEqual(await guest.context().cookies(), []);

        await page.goto(`${server.url}/saved/snapshots`);
        await isFit(page, "snapshots");
        const item = page.locator(".list > li", { hasText: `for Kim ${width} ${script}` });
        assert.match(await item.innerText(), /seen once/);
        await item.getByRole("button", { name: "Revoke" }).click();
        await item.waitFor({ state: "detached" });
        guest.wrong.length = 0;
        assert.equal((await guest.goto(link)).status(), 404);
        assert.match(await guest.locator("h1").innerText(), /nothing here/);
        await guest.context().close();
      });

      test("a view is downloaded with its exact bytes", async () => {
        await explore(page, server, '{job="hostile"}');
        await openSheet(page);
        const [download] = await Promise.all([page.waitForEvent("download"), page.locator(".keep-files a", { hasText: "Text" }).click()]);
        assert.match(download.suggestedFilename(), /^hostile-\d{8}-\d{4}\.txt$/);
        const text = readFileSync(await download.path(), "utf8");
        assert.ok(text.includes("safe \u202egnp.exe\u202c \u0000\u0007\u001b[2J\u001b[31mred\u001b[0m \u200bzero\n"));
        assert.ok((await rows(page).count()) > 0);
        assert.deepEqual(page.wrong, []);
      });
    });
  }
}
