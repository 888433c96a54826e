// Erasing in a browser: seen before it is done, typed again, by keyboard alone, and by stewards only.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, openPage, skip } from "./browser.mjs";
import { FakeAgent } from "./fake-agent.mjs";
import { axe, picture, signIn, TABLET } from "./steps.mjs";

describe("page of erasures", { skip }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  function check(name, run, { token = "sam-token", options } = {}) {
    test(name, async () => {
      const agent = await new FakeAgent().start();
      const opened = await openPage(browser, agent.address, options);
      try {
        await signIn(opened.page, token);
        await opened.page.waitForFunction(() => sessionStorage.getItem("insitu.token") !== null);
        await opened.page.goto(`${agent.address}/erase.html`);
        await run({ agent, ...opened });
        assert.deepEqual(opened.complaints, []);
      } finally {
        await opened.context.close();
        await agent.stop();
      }
    });
  }

  const doomed = (page) => page.getByRole("region", { name: "What will go" });
  const gone = (page) => page.getByRole("region", { name: "What went" });

  check("a steward sees what will go, types it again, and sees what went", async ({ agent, page }) => {
    await page.getByLabel("The site’s own id").fill(" p-17 ");
    await page.keyboard.press("Enter");
    await doomed(page).waitFor();
    const text = await doomed(page).innerText();
    assert.match(text, /3 items will be erased/);
    assert.match(text, /4 rows of annotations/);
    assert.match(text, /2 originals/);
    assert.match(text, /1 message of Label Studio/);
    assert.match(text, /labels-2026-11/);
    assert.match(text, /cut short[^]*labels-2026-12\.partial/);
    assert.match(text, /12, 15/);
    assert.doesNotMatch(text, /gold/, "what has nothing of it is not listed");
    await axe(page);
    await picture(page, "erase-before");
    await page.getByLabel("Why").fill("request of 20 November");
    await page.getByLabel("The id again").fill("p-18");
    await page.keyboard.press("Enter");
    await page.getByText("another id").waitFor();
    assert.deepEqual(agent.erased, []);
    await page.getByLabel("The id again").fill("p-17");
    await page.keyboard.press("Enter");
    await gone(page).waitFor();
    assert.deepEqual(agent.erased, [{ subject: "p-17", reason: "request of 20 November", confirm: "p-17" }]);
    assert.match(await gone(page).innerText(), /3 items erased[^]*No byte/);
    await axe(page);
    await picture(page, "erase-after");
    await page.getByLabel("The site’s own id").press("Enter");
    await page.getByText("erased before").waitFor();
    assert.equal(await page.getByRole("button", { name: "Erase for good" }).count(), 0);
  });

  check(
    "one item is of a project, also on a tablet",
    async ({ page }) => {
      await page.getByLabel("What is erased").selectOption("id");
      assert.equal(await page.getByRole("option", { name: "every project" }).count(), 0);
      await picture(page, "erase-tablet");
      await axe(page);
    },
    { options: TABLET },
  );

  check(
    "nobody else erases",
    async ({ agent, page }) => {
      await page.getByText("Only the site’s steward erases").waitFor();
      assert.equal(await page.getByRole("button", { name: "See what will go" }).count(), 0);
      assert.deepEqual(agent.erased, []);
    },
    { token: "ida-token" },
  );
});
