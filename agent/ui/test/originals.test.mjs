// Originals in a browser: who sees them, for how long, and what is left of them.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, openPage, skip } from "./browser.mjs";
import { FakeAgent } from "./fake-agent.mjs";
import { makeErrors, makeNext, makeReport } from "./quality-data.mjs";
import { axe, picture, signIn, TABLET } from "./steps.mjs";

const ITEM = "1".padStart(32, "0");
const ORIGINAL = /Jane Roe/;

describe("page of originals", { skip }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  /** Somebody signed in by a token, at the page of an item; whatever it complained about fails the test. */
  function check(name, run, { token = "sam-token", options } = {}) {
    test(name, async () => {
      const agent = await new FakeAgent().start();
      agent.quality = { report: makeReport(), errors: makeErrors(), next: makeNext() };
      const opened = await openPage(browser, agent.address, options);
      try {
        await signIn(opened.page, token);
        await opened.page.getByRole("button", { name: /Sign out/ }).waitFor();
        await opened.page.goto(`${agent.address}/item.html#${ITEM}`);
        await run({ agent, ...opened });
        assert.deepEqual(opened.complaints, []);
      } finally {
        await opened.context.close();
        await agent.stop();
      }
    });
  }

  const note = (page) => page.getByText("Reports tightness on exertion");
  const shown = (page) => page.locator("mark", { hasText: "Jane Roe" });

  /** Originals are neither on the page nor in anything that the browser keeps. */
  async function gone(page) {
    await shown(page).waitFor({ state: "detached" });
    const left = await page.evaluate(() => [
      document.documentElement.outerHTML,
      JSON.stringify({ ...sessionStorage }),
      JSON.stringify({ ...localStorage }),
      location.href,
    ]);
    for (const one of left) assert.doesNotMatch(one, ORIGINAL);
  }

  async function giveReason(page, reason = "recall of a device") {
    await page.getByLabel("Why they must be seen").fill(reason);
    await page.keyboard.press("Escape");
  }

  check("they are shown while the key is held, for a reason, each time anew, and leave nothing behind", async ({ agent, page }) => {
    await note(page).waitFor();
    await gone(page);
    await page.keyboard.press("r");
    assert.equal(await page.evaluate(() => document.activeElement.id), "reason", "a reason first");
    assert.equal(agent.revealed.length, 0);
    await page.keyboard.type("recall of a device");
    await gone(page);
    await page.keyboard.press("Escape");
    for (const time of [1, 2]) {
      await page.keyboard.down("r");
      await page.keyboard.down("r"); // held
      await shown(page).waitFor();
      await page.getByText("One original is shown.").waitFor();
      if (time === 1) await picture(page, "originals-shown");
      await page.keyboard.up("r");
      await gone(page);
      assert.equal(agent.revealed.length, time, "one question for each time it is held");
    }
    assert.deepEqual(agent.revealed[0], { item: ITEM, person: "sam", reason: "recall of a device" });
    await picture(page, "originals-hidden");
  });

  check("an answer that comes after the key was let go is not shown", async ({ agent, page }) => {
    await note(page).waitFor();
    await giveReason(page);
    let answer;
    agent.revealing = new Promise((resolve) => {
      answer = resolve;
    });
    await page.keyboard.down("r");
    await page.keyboard.up("r");
    const response = page.waitForResponse(/\/reveal$/);
    answer();
    await (await response).finished();
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
    assert.equal(await shown(page).count(), 0);
    await gone(page);
  });

  check("a button shows and hides them, and they hide by themselves", async ({ agent, page }) => {
    await page.clock.install();
    await page.reload();
    await note(page).waitFor();
    await page.getByLabel("Why they must be seen").fill("a letter to the patient");
    await page.keyboard.press("Enter");
    await shown(page).waitFor();
    await page.getByRole("button", { name: "Hide originals" }).click();
    await gone(page);
    for (const leave of [
      () => page.clock.runFor(60_000),
      () => page.evaluate(() => dispatchEvent(new Event("blur"))),
      () => page.evaluate((next) => { location.hash = next; }, "2".padStart(32, "0")),
    ]) {
      await page.getByRole("button", { name: "Show originals" }).click();
      await shown(page).waitFor();
      await leave();
      await gone(page);
    }
    await page.getByText("for item 2.").waitFor();
    assert.equal(await page.getByLabel("Why they must be seen").inputValue(), "", "a reason is for one item");
    assert.equal(agent.revealed.length, 4);
  });

  check("what the agent refuses is said, and a wrong name is", async ({ page, agent }) => {
    await note(page).waitFor();
    await giveReason(page);
    agent.revealed.length = 5;
    await page.keyboard.down("r");
    await page.getByText("Too many attempts: the next one may be made in 30 s: wait, then try again.").waitFor();
    await page.keyboard.up("r");
    await page.getByLabel("The item’s name").fill("17");
    await page.keyboard.press("Enter");
    await page.getByText("has 32 digits").waitFor();
    await page.getByLabel("The item’s name").fill("f".repeat(32));
    await page.keyboard.press("Enter");
    await page.getByText("There is no such item").waitFor();
    await note(page).waitFor({ state: "detached" });
  });

  for (const token of ["ann-token", "eve-token", "lea-token"]) {
    check(
      `who may not see them gets nothing (${token})`,
      async ({ agent, page }) => {
        await page.getByText("Only the site’s steward sees").waitFor();
        await page.goto(`${agent.address}/`);
        await page.locator("article").waitFor();
        const before = await page.locator("article").innerText();
        await page.keyboard.press("r");
        assert.equal(await page.locator("article").innerText(), before);
        assert.equal(await page.getByRole("link", { name: "Originals" }).count(), 0);
        await page.keyboard.press("?");
        const help = page.getByRole("dialog", { name: "All keys" });
        assert.doesNotMatch(await help.innerText(), /original|surrogate/i);
        assert.equal(agent.revealed.length, 0);
      },
      { token },
    );
  }

  check("the steward gets there by a link", async ({ agent, page }) => {
    await page.goto(`${agent.address}/`);
    await page.getByRole("link", { name: "Originals" }).click();
    await page.getByLabel("The item’s name").fill(ITEM);
    await page.keyboard.press("Enter");
    await note(page).waitFor();
    assert.ok(page.url().endsWith(`item.html#${ITEM}`));
  });

  for (const [name, options] of [
    ["light", {}],
    ["dark", { colorScheme: "dark" }],
    ["tablet", TABLET],
    ["forced-colours", { forcedColors: "active" }],
  ]) {
    check(
      `axe finds nothing, and nothing is wider than the screen (${name})`,
      async ({ page }) => {
        await note(page).waitFor();
        await axe(page, "hidden");
        await giveReason(page);
        await page.getByRole("button", { name: "Show originals" }).click();
        await shown(page).waitFor();
        await axe(page, "shown");
        await picture(page, `originals-${name}`);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `the page is ${over} px too wide`);
      },
      { options: { bypassCSP: true, ...options } },
    );
  }
});
