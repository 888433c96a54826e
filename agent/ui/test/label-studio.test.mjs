// The page on which a Label Studio is connected: what to enter, and what is not right yet, by keyboard and on a tablet.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, openPage, skip } from "./browser.mjs";
import { FakeAgent } from "./fake-agent.mjs";
import { axe, picture, signIn, TABLET } from "./steps.mjs";

const STUDIOS = {
  projects: [
    {
      project: "chest-images",
      studio: "http://studio.hospital.example:8080",
      number: 7,
      path: "/label-studio/chest-images/SECRET",
      secret_file: "/etc/insitu/label-studio.secret",
    },
  ],
  settings: [{ name: "USE_DEFAULT_BANNED_SUBNETS", value: "false", why: "without it private addresses are refused" }],
};
const STANDING = {
  findings: [
    { what: "the token is safe on its way", fault: null },
    { what: "this agent is its backend", fault: "connect it: Settings, Model, with the URL above" },
  ],
  tasks: 12,
  waiting: 3,
  faults: [{ event: "annotation 8", reason: "a box that is rotated cannot be imported" }],
};

describe("page of Label Studio", { skip }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  function check(name, run, { token = "sam-token", studios = STUDIOS, options } = {}) {
    test(name, async () => {
      const agent = await new FakeAgent().start();
      Object.assign(agent, { studios, standing: STANDING });
      const opened = await openPage(browser, agent.address, options);
      try {
        await signIn(opened.page, token);
        await opened.page.waitForFunction(() => sessionStorage.getItem("insitu.token") !== null);
        await opened.page.goto(`${agent.address}/label-studio.html`);
        await run({ agent, ...opened });
        assert.deepEqual(opened.complaints, []);
      } finally {
        await opened.context.close();
        await agent.stop();
      }
    });
  }

  check("it says what to enter where, and checks it by keyboard", async ({ agent, page }) => {
    const panel = page.getByRole("region", { name: "chest-images" });
    await panel.waitFor();
    const text = await panel.innerText();
    assert.match(text, /USE_DEFAULT_BANNED_SUBNETS=false/);
    assert.ok(text.includes(`${agent.address}/label-studio/chest-images/SECRET`), text);
    assert.match(text, /what \/etc\/insitu\/label-studio\.secret holds/);
    await page.getByRole("button", { name: "Check now" }).focus();
    await page.keyboard.press("Enter");
    const found = panel.getByRole("list", { name: "What was found of chest-images" });
    await found.waitFor();
    assert.deepEqual((await found.innerText()).split(/\n+/), [
      "Right: the token is safe on its way",
      "Wrong: this agent is its backend",
      "connect it: Settings, Model, with the URL above",
    ]);
    assert.match(await panel.innerText(), /12 tasks are items; 3 events wait/);
    assert.match(await panel.innerText(), /annotation 8: a box that is rotated cannot be imported/);
    assert.equal(await page.locator("[aria-live=polite]").innerText(), "1 of 2 are wrong with chest-images.");
    await picture(page, "label-studio");
  });

  check("once it is right, it says so", async ({ agent, page }) => {
    agent.standing = { ...STANDING, findings: [STANDING.findings[0]], faults: [] };
    await page.getByRole("button", { name: "Check now" }).click();
    await page.getByText("Right: the token is safe on its way").waitFor();
    assert.equal(await page.locator("[aria-live=polite]").innerText(), "All is right with chest-images.");
  });

  check(
    "without one it says what the configuration needs",
    async ({ page }) => {
      await page.getByRole("heading", { name: "No project has a Label Studio yet" }).waitFor();
      assert.match(await page.locator("pre").innerText(), /\[project\.label_studio\]/);
      await picture(page, "label-studio-none");
    },
    { studios: { projects: [], settings: [] } },
  );

  check(
    "others are told that it is not for them",
    async ({ page }) => {
      await page.getByText("Stewards and administrators connect a Label Studio").waitFor();
      assert.equal(await page.getByRole("button").count(), 0);
    },
    { token: "ann-token" },
  );

  check(
    "on a tablet, without faults of accessibility",
    async ({ page }) => {
      await page.getByRole("button", { name: "Check now" }).click();
      await page.getByText("Wrong:").waitFor();
      await axe(page, "label-studio");
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${wide} pixels too wide`);
      await picture(page, "label-studio-tablet");
    },
    { options: { ...TABLET, bypassCSP: true } },
  );
});
