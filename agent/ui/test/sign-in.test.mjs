// Signing in with a name and a password, in a browser: nothing is lost, and nothing is sent as another.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, openPage, skip } from "./browser.mjs";
import { FakeAgent } from "./fake-agent.mjs";
import { axe, picture, saved, signIn as withToken } from "./steps.mjs";

const PASSWORD = "correct horse battery";

describe("sign-in page", { skip }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  /** The sign-in page of an agent that knows ann and eve by a password. */
  function check(name, run, options = {}) {
    test(name, async () => {
      const agent = await new FakeAgent().start();
      for (const person of ["ann", "eve", "ida"]) agent.passwords.set(person, PASSWORD);
      const opened = await openPage(browser, agent.address, options);
      try {
        await run({ agent, ...opened });
        assert.deepEqual(opened.complaints, []);
      } finally {
        await opened.context.close();
        await agent.stop();
      }
    });
  }

  async function enter(page, name = "ann", password = PASSWORD) {
    await page.getByLabel("Your name").fill(name);
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.keyboard.press("Enter");
  }

  async function decide(page) {
    await page.locator("#decide").waitFor();
    await page.keyboard.press("Enter");
  }

  check("a wrong password is refused, the right one leads to the items, by keyboard alone", async ({ agent, page }) => {
    await page.getByRole("link", { name: "Sign in with your name" }).click();
    await enter(page, "ann", "something wrong");
    await page.getByText("The name or the password is wrong.").waitFor();
    await picture(page, "sign-in-refused");
    assert.equal(await page.getByLabel("Password", { exact: true }).inputValue(), "");
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press("Enter");
    await decide(page);
    await saved(page);
    assert.equal(agent.arrived[0].person, "ann");
    assert.equal(await page.evaluate(() => document.cookie), "", "no script reads the cookie");
    assert.deepEqual(await page.evaluate(() => Object.values(sessionStorage).filter((kept) => /token|cookie|page-of/.test(kept))), []);
    await page.reload();
    await page.locator("#decide").waitFor();
    await page.getByRole("button", { name: /Sign out/ }).click();
    await page.getByRole("link", { name: "Sign in with your name" }).waitFor();
    assert.equal(agent.browsers.size, 0, "the agent has heard it");
    await page.reload();
    await page.getByRole("link", { name: "Sign in with your name" }).waitFor();
  });

  check("decisions of a session that ended are kept, and sent as the same person", async ({ agent, page, context }) => {
    await page.getByRole("link", { name: "Sign in with your name" }).click();
    await enter(page);
    await page.locator("#decide").waitFor();
    agent.browsers.clear();
    await page.keyboard.press("Enter");
    await page.getByText("Your session has ended").waitFor();
    await page.getByText("One unsaved decision is kept").waitFor();
    await picture(page, "session-ended");
    assert.equal(agent.arrived.length, 0);

    const [other] = await Promise.all([
      context.waitForEvent("page"),
      page.getByRole("link", { name: "Sign in with your name" }).click(),
    ]);
    await other.getByLabel("Your name").fill("ann");
    await other.getByLabel("Password", { exact: true }).fill(PASSWORD);
    // It closes itself, maybe before the click is answered.
    const click = other.getByRole("button", { name: "Sign in" }).click().catch(() => {});
    await Promise.all([other.waitForEvent("close"), click]);
    await page.getByText("Your session has ended").waitFor({ state: "hidden" });
    await saved(page);
    assert.deepEqual(agent.arrived.map(({ person }) => person), ["ann"]);
  });

  check("what one person left unsent is not sent as the next", async ({ agent, page, context }) => {
    await page.getByRole("link", { name: "Sign in with your name" }).click();
    await enter(page, "ann");
    await page.locator("#decide").waitFor();
    // In another tab of the same browser somebody else signs in: the cookie is theirs from now on.
    const other = await context.newPage();
    await other.goto(`${agent.address}/sign-in.html`);
    await other.getByRole("button", { name: "Sign out" }).click();
    await enter(other, "eve");
    await other.locator("#decide").waitFor();
    await page.bringToFront();
    await page.keyboard.press("Enter");
    await page.getByText("Your session has ended").waitFor();
    assert.equal(agent.arrived.length, 0, "ann's decision is not eve's");
    assert.equal(await page.evaluate(() => Object.keys(localStorage).filter((name) => name.includes("%2Fann/")).length), 1);
  });

  check("a password is changed, and the page goes on", async ({ agent, page }) => {
    await page.goto(`${agent.address}/sign-in.html`);
    await enter(page);
    await page.locator("#decide").waitFor();
    await page.getByRole("link", { name: "Account" }).click();
    await page.getByText("Change the password").click();
    await page.getByLabel("Password now").fill("not the one");
    await page.getByLabel("New password").fill("a better horse");
    await page.keyboard.press("Enter");
    await page.getByText("The current password is wrong.").waitFor();
    await page.getByLabel("Password now").fill(PASSWORD);
    await page.getByRole("button", { name: "Change it" }).click();
    await page.getByText("The password is changed").waitFor();
    await picture(page, "account");
    await page.getByRole("link", { name: "To the items" }).click();
    await decide(page);
    await saved(page);
    assert.equal(agent.passwords.get("ann"), "a better horse");
  });

  check("an administrator goes on to the people, and the provider is offered by name", async ({ agent, page }) => {
    agent.provider = "Hospital login";
    await page.goto(`${agent.address}/sign-in.html`);
    await page.getByRole("link", { name: "Sign in with Hospital login" }).waitFor();
    await picture(page, "sign-in");
    await enter(page, "ida");
    await page.getByText("ida, admin").waitFor();
    assert.equal(await page.getByRole("link", { name: "To the items" }).isVisible(), false);
    await page.getByRole("link", { name: "Manage people" }).click();
    await page.getByRole("heading", { name: "Who is at this site" }).waitFor();
    await page.goto(`${agent.address}/`);
    await page.waitForURL(/people\.html$/);
  });

  check("an agent that is away is said to be", async ({ agent, page }) => {
    await page.goto(`${agent.address}/sign-in.html`);
    await page.getByLabel("Your name").waitFor();
    agent.mode = "away";
    await enter(page);
    await page.getByText("The agent does not answer. Try again.").waitFor();
    agent.mode = "up";
    await enter(page);
    await page.locator("#decide").waitFor();
  });

  check(
    "no faults of accessibility",
    async ({ agent, page }) => {
      await page.goto(`${agent.address}/sign-in.html`);
      await page.getByLabel("Your name").waitFor();
      await axe(page, "sign-in page");
      await enter(page, "ida");
      await page.getByText("ida, admin").waitFor();
      await axe(page, "account");
    },
    { bypassCSP: true },
  );

  check("a token still signs in, for one tab", async ({ page }) => {
    await withToken(page);
    await page.locator("#decide").waitFor();
  });
});
