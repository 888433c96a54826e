// Managing people in a browser: by keyboard alone, without losing track, and by administrators only.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, openPage, skip } from "./browser.mjs";
import { FakeAgent, makePerson } from "./fake-agent.mjs";
import { axe, picture, signIn, TABLET } from "./steps.mjs";

const PASSWORD = "correct horse battery";

describe("page of people", { skip }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  /** An administrator at the page; whatever it complained about fails the test. */
  function check(name, run, { token = "ida-token", options } = {}) {
    test(name, async () => {
      const agent = await new FakeAgent().start();
      agent.listed.find((person) => person.name === "ann").browsers = 2;
      agent.listed.push(makePerson("viewer", "application"));
      agent.listed.push({ ...makePerson("max", "expert"), ended: true, until: "2026-10-01T00:00:00Z" });
      const opened = await openPage(browser, agent.address, options);
      try {
        await signIn(opened.page, token);
        if (token === "ida-token") await opened.page.getByRole("table").waitFor();
        await run({ agent, ...opened });
        assert.deepEqual(opened.complaints, []);
      } finally {
        await opened.context.close();
        await agent.stop();
      }
    });
  }

  const row = (page, name) => page.getByRole("row", { name: new RegExp(`^${name}\\b`) });
  const dialog = (page) => page.getByRole("dialog");
  const spoken = (page) => page.locator("[aria-live=polite]");

  /** Tabs on until the focus is where it should be. */
  async function tabTo(page, label) {
    for (let step = 0; step < 40; step += 1) {
      await page.keyboard.press("Tab");
      const name = await page.evaluate(
        () => document.activeElement.ariaLabel ?? document.activeElement.id ?? document.activeElement.textContent,
      );
      const text = await page.evaluate(() => document.activeElement.textContent);
      if (name === label || text === label) return;
    }
    assert.fail(`no ${label} by tab`);
  }

  check("somebody is added by keyboard alone, with a role and a last day", async ({ agent, page }) => {
    await tabTo(page, "Add somebody");
    await page.keyboard.press("Enter");
    await dialog(page).getByRole("heading", { name: "Add somebody" }).waitFor();
    await tabTo(page, "new-name");
    await page.keyboard.type("gus");
    await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowDown"); // expert
    await page.keyboard.press("Tab");
    await page.keyboard.type(PASSWORD);
    await page.getByLabel("Last day").fill("2027-03-31");
    await picture(page, "people-add");
    await page.keyboard.press("Enter");
    await dialog(page).waitFor({ state: "detached" });
    await row(page, "gus").waitFor();
    assert.match(await row(page, "gus").innerText(), /expert\s+password\s+2027-03-31/);
    assert.equal(await spoken(page).innerText(), "gus is added as expert.");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Add somebody", "the focus is back");
    const body = { name: "gus", role: "expert", password: PASSWORD, until: "2027-03-31" };
    assert.deepEqual(agent.managed, [["POST", body]]);
    assert.ok(!(await page.content()).includes(PASSWORD));
  });

  check("what is refused is said in the dialog, and what was typed stays, but for the password", async ({ page }) => {
    await page.getByRole("button", { name: "Add somebody" }).click();
    await page.getByLabel("Name").fill("ann");
    await page.getByLabel("First password").fill(PASSWORD);
    await page.keyboard.press("Enter");
    await dialog(page).getByText(/There is a person named "ann" already: choose another name/).waitFor();
    assert.equal(await page.getByLabel("Name").inputValue(), "ann");
    assert.equal(await page.getByLabel("First password").inputValue(), "");
    await picture(page, "people-refused");
    await page.keyboard.press("Escape");
    await dialog(page).waitFor({ state: "detached" });
    assert.equal(await page.getByText("already").count(), 0);
  });

  check("a role, a password, a sign-out and a removal, each of the one whose row it is", async ({ agent, page }) => {
    await page.getByRole("button", { name: "Role of ann" }).click();
    assert.ok(await page.getByRole("radio", { name: /^annotator/ }).isChecked());
    await page.getByRole("radio", { name: /^lead/ }).check();
    await picture(page, "people-role");
    await page.getByRole("button", { name: "Give the role" }).click();
    await row(page, "ann").getByText("lead").waitFor();

    await page.getByRole("button", { name: "Password of eve" }).click();
    await page.getByRole("textbox", { name: "New password" }).fill("short");
    await page.keyboard.press("Enter");
    assert.equal(agent.managed.length, 1, "too short a password is not sent");
    await page.getByRole("textbox", { name: "New password" }).fill(PASSWORD);
    await page.keyboard.press("Enter");
    await row(page, "eve").getByText("password", { exact: true }).waitFor();

    agent.listed.find((person) => person.name === "lea").browsers = 1;
    await page.reload();
    await row(page, "lea").getByText("in one browser").waitFor();
    assert.ok(await page.getByRole("button", { name: "Sign out eve" }).isDisabled());
    await page.getByRole("button", { name: "Sign out lea" }).click();
    await page.getByText("lea is signed out everywhere.").waitFor({ state: "attached" });
    await row(page, "lea").getByText("in one browser").waitFor({ state: "detached" });

    await page.getByRole("button", { name: "Remove sam" }).click();
    await page.getByText("This cannot be taken back").waitFor();
    await page.keyboard.press("Escape");
    await row(page, "sam").waitFor();
    await page.getByRole("button", { name: "Remove sam" }).click();
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await row(page, "sam").waitFor({ state: "detached" });
    await page.getByLabel("Show also who is no longer here (2)").check();
    assert.match(await row(page, "sam").innerText(), /over/);
    assert.equal(await row(page, "max").getByRole("button").count(), 0);
    assert.match(await row(page, "max").innerText(), /over: 2026-09-30/);

    assert.deepEqual(agent.managed, [
      ["POST", "ann", "role", { role: "lead" }],
      ["POST", "eve", "password", { new: PASSWORD }],
      ["DELETE", "lea", "browsers", null],
      ["DELETE", "sam", null],
    ]);
  });

  check("one's own row has no buttons, and a program's has but one", async ({ page }) => {
    assert.match(await row(page, "ida").innerText(), /\(you\)/);
    assert.equal(await row(page, "ida").getByRole("button").count(), 0);
    assert.equal(await row(page, "viewer").getByRole("button").count(), 1);
  });

  check("whoever is missing is named, and no more once somebody is added", async ({ agent, page }) => {
    assert.equal(await page.getByText("Somebody is missing").count(), 0);
    agent.vacancies = [{ text: "3 labels of heart wait for review, stage 1 (expert), and nobody may take them", role: "expert" }];
    await page.reload();
    await page.getByRole("status").getByText("nobody may take them. Add another expert.").waitFor();
    await picture(page, "people-missing");
    agent.vacancies = [];
    await page.getByRole("button", { name: "Sign out ann" }).click();
    await page.getByText("Somebody is missing").waitFor({ state: "detached" });
  });

  check("an agent that is away, and a session that ended, are said", async ({ agent, page }) => {
    agent.mode = "away";
    await page.getByRole("button", { name: "Sign out ann" }).click();
    await page.getByText("The agent does not answer. Try again.").waitFor();
    agent.mode = "up";
    agent.people.delete("ida-token");
    await page.getByRole("button", { name: "Sign out ann" }).click();
    await page.waitForURL(/sign-in\.html$/);
  });

  for (const token of ["ann-token", "sam-token"]) {
    check(
      `it is for administrators alone (${token})`,
      async ({ agent, page }) => {
        agent.quality = null;
        await page.getByRole("button", { name: /Sign out/ }).waitFor();
        await page.goto(`${agent.address}/people.html`);
        await page.getByText("Only administrators manage people.").waitFor();
        assert.equal(await page.getByRole("table").count(), 0);
      },
      { token },
    );
  }

  for (const [name, options] of [
    ["light", {}],
    ["dark", { colorScheme: "dark" }],
    ["tablet", TABLET],
    ["forced-colours", { forcedColors: "active" }],
  ]) {
    check(
      `axe finds nothing, and nothing is wider than the screen (${name})`,
      async ({ page }) => {
        await axe(page, "list");
        await picture(page, `people-${name}`);
        await page.getByRole("button", { name: "Add somebody" }).click();
        await axe(page, "add");
        await picture(page, `people-add-${name}`);
        await page.keyboard.press("Escape");
        await page.getByRole("button", { name: "Remove ann" }).click();
        await axe(page, "remove");
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `the page is ${over} px too wide`);
        const small = await page.evaluate(() =>
          [...document.querySelectorAll("main button, header a")]
            .map((target) => [target.textContent, target.getBoundingClientRect()])
            .filter(([, { width, height }]) => width < 44 || height < 44)
            .map(([name]) => name),
        );
        assert.deepEqual(small, [], "targets of 44 px at least");
      },
      { options: { bypassCSP: true, ...options } },
    );
  }
});
