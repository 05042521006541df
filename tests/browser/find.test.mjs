// Writing queries: by taps, with what can come next, and with words for what went wrong.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WIDTHS, explore, follow, isFit, launch, open, queryOf, rows, setUp, signIn } from "./pages.mjs";
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

async function openPanel(page, name) {
  const panel = page.locator(`${name} > .panel`);
  if (!(await panel.isVisible())) await page.locator(`${name} > summary`).click();
  await panel.waitFor();
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

      test("conditions are added by taps, flipped and taken away", async () => {
        await explore(page, server, '{app="payments"}');
        await openPanel(page, ".labels");
        await page.selectOption("[name=filter]", "excludes");
        await page.fill("[name=filter_text]", "declined");
        await isFit(page, "the filter form");
        await follow(page, ".filter-form button", /declined/);
        assert.equal(queryOf(page), '{app="payments"} != "declined"');
        const chip = page.locator(".chip", { hasText: "not “declined”" });
        await chip.waitFor();
        await isFit(page, "chips");
        await follow(page, chip.locator(".flip"), /%7C%3D|\|=/);
        assert.equal(queryOf(page), '{app="payments"} |= "declined"');
        await follow(page, page.locator(".chip .flip", { hasText: "app = payments" }), /%21%3D|!=/);
        assert.equal(queryOf(page), '{app!="payments"} |= "declined"');
        await follow(page, ".chip .remove", /query=%7B%7D/);
        await page.goBack();
        assert.equal(queryOf(page), '{app!="payments"} |= "declined"');
      });

      test("a field is asked for wherever it stands", async () => {
        await explore(page, server, '{app="payments"}');
        await openPanel(page, ".labels");
        await page.selectOption("[name=filter]", "is");
        await page.fill("[name=filter_name]", "level");
        await page.fill("[name=filter_text]", "error");
        await follow(page, ".filter-form button", /json/);
        assert.equal(queryOf(page), '{app="payments"} | json | level="error"');
        await rows(page).first().waitFor();
      });

      test("a wrong query is shown where it is wrong, with what was meant", async () => {
        await explore(page, server, '{app="payments"} | jsno');
        await page.locator(".fault", { hasText: "There is no “jsno”" }).waitFor();
        assert.equal(await page.locator(".fault mark").innerText(), "jsno");
        await isFit(page, "a misspelt stage");
        await follow(page, page.locator(".fault a", { hasText: "Did you mean json?" }), /json/);
        await rows(page).first().waitFor();
        await explore(page, server, '{app="paymetns"}');
        await follow(page, page.locator(".nothing a", { hasText: "Did you mean app = payments?" }), /payments/);
        await rows(page).first().waitFor();
        await explore(page, server, "{app=“payments”} |= ‘declined’");
        await rows(page).first().waitFor();
      });

      test("a query is told in words and in colours", async () => {
        await explore(page, server, 'sum by (app) (rate({env="prod"} | json [5m]))');
        await page.locator(".explained summary").click();
        const steps = await page.locator(".explained li").allInnerTexts();
        assert.equal(steps.length, 4);
        assert.match(steps[2], /lines per second over the 5 min/);
        assert.equal(await page.locator(".layer .ql-keyword", { hasText: "rate" }).count(), 1);
        await isFit(page, "a query in words");
      });

      test("labels are found by name", async () => {
        await page.goto(`${server.url}/explore/labels?find=pay&from=now-1h`);
        assert.deepEqual(await page.locator(".facet h3").allInnerTexts(), ["service_name", "app", "job"]);
        await isFit(page, "labels that have a text");
        await page.fill("[name=find]", "nosuchthing");
        await page.press("[name=find]", "Enter");
        await page.locator(".empty", { hasText: "nosuchthing" }).waitFor();
      });

      if (!script) return;

      test("the box knows what can come next", async () => {
        await explore(page, server);
        await openPanel(page, ".logql");
        const box = page.locator("#query");
        const option = (text) => page.locator(".choices [role=option]", { has: page.getByText(text, { exact: true }) });
        await box.pressSequentially("{ap");
        await option("app").waitFor();
        await isFit(page, "choices");
        await page.keyboard.press("ArrowDown");
        await page.keyboard.press("Enter");
        assert.equal(await box.inputValue(), '{app="');
        await option("payments").click();
        assert.equal(await box.inputValue(), '{app="payments"}');
        await box.pressSequentially(" | json | amou");
        await option("amount").waitFor();
        await page.keyboard.press("Escape");
        assert.ok(await page.locator(".choices").isHidden());
        assert.ok(await box.isVisible(), "Escape closes the list alone");
        await page.keyboard.press("Control+a");
        await page.keyboard.insertText("sum by (ap) (rate({}[5m]))");
        await page.evaluate(() => document.querySelector("#query").setSelectionRange(10, 10));
        await page.keyboard.press("Control+ ");
        await option("app").click();
        assert.equal(await box.inputValue(), "sum by (app) (rate({}[5m]))");
        assert.equal(await page.locator(".layer .ql-keyword").count(), 3);
        await page.keyboard.press("Control+z");
        assert.equal(await box.inputValue(), "sum by (ap) (rate({}[5m]))", "a choice is undone like a letter");
        await page.keyboard.press("Control+Enter");
        await page.waitForURL(/sum\+by|sum%20by/);
      });
    });
  }
}

test("a query has the same colours before the script has come and after it", async () => {
  const queries = [
    String.raw`{app="pay\"ments", env=~\`p.+\`} |= "x" != \`y\` |~ "z" !~ "w" |> "<_> a" !> "b"`,
    '{app="a"} | json user="user.name", ip | logfmt --strict --keep-empty | regexp `(?P<x>\\d+)` | pattern "<a> <_>"',
    '{app="a"} | line_format "{{.x}}" | label_format a=b, c="{{.d}}" | drop x, y="z" | keep q | decolorize | unpack',
    '{app="a"} | status >= 500 and (size < 1.5KB or took > 2m30s) | addr = ip("10.0.0.0/8") # why',
    'topk by (app) (3, sum without (host) (rate({env="prod"} | unwrap duration(took) | __error__="" [5m] offset 1h)))',
    'quantile_over_time(0.99, {a="b"} | logfmt | unwrap ms [1h]) by (queue) / on (a) group_left (b) count_over_time({}[5m]) ^ 2 % 3',
    'sum(count_over_time({a="b"}[1m])) > bool 1e3 or vector(-1) unless label_replace(rate({}[1m]), "a", "$1", "b", "(.*)")',
    '{rate="sum", 한글="값"} | sum = "x" | by="y"',
    "{app=\"a\"}\n  // one\n  /* two\n  lines */ |= \"x\"",
    '{app="a} | json',
    "sum(rate({a=`b[5m",
    '{a="b"} | x == 1 & § 5',
  ];
  const colours = async (script, query) => {
    await explore(script, server, query);
    return script.evaluate(() => {
      // neighbours of one colour are one to the eye
      const told = [];
      for (const node of document.querySelector(".layer").childNodes) {
        const [kind, text] = [node.className ?? "", node.textContent.replace("\u200b", "")];
        for (const letter of text) if (letter.trim()) told.push(`${letter} ${kind}`);
      }
      return told;
    });
  };
  const pages = [];
  for (const script of [false, true]) {
    const page = await open(browser, { width: 390, script });
    await signIn(page, server, "mina");
    pages.push(page);
  }
  for (const query of queries) {
    const [before, after] = [await colours(pages[0], query), await colours(pages[1], query)];
    assert.ok(before.length > 5 && before.some((letter) => letter.includes("ql-")), query);
    assert.deepEqual(after, before, query);
  }
  assert.equal(await pages[0].locator(".editor.painted").count(), 0);
  await pages[1].locator(".editor.painted").waitFor();
  for (const page of pages) await page.context().close();
});

test("everything is said in Korean too", async () => {
  const page = await open(browser, { width: 390, locale: "ko-KR" });
  await signIn(page, server, "mina");
  await explore(page, server, '{app="payments"} != "declined" | jsno');
  await page.locator(".fault", { hasText: "“jsno”은(는) 없는 이름입니다" }).waitFor();
  await explore(page, server, '{app="payments"} != "declined" |= "x" | json');
  await page.locator(".chip", { hasText: "“declined” 제외" }).waitFor();
  await openPanel(page, ".labels");
  await page.locator(".labels h2", { hasText: "필터" }).waitFor();
  await isFit(page, "Korean");
  await page.context().close();
});
