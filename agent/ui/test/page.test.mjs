// The review page in a real browser against a small agent: what a person does, and what the agent gets.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, openPage, skip } from "./browser.mjs";
import { FakeAgent, makeItems } from "./fake-agent.mjs";
import { axe, picture, saved, signIn, TOKEN } from "./steps.mjs";

describe("review page", { skip }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser.close());

  /** A page signed in to an agent of its own; whatever it complained about fails the test. */
  function check(name, run, { items, options, prepare } = {}) {
    test(name, async () => {
      const agent = await new FakeAgent(items?.()).start();
      prepare?.(agent);
      const opened = await openPage(browser, agent.address, options);
      try {
        await signIn(opened.page);
        await run({ agent, ...opened });
        assert.deepEqual(opened.complaints, []);
      } finally {
        await opened.context.close();
        await agent.stop();
      }
    });
  }

  test("a wrong token is refused, the right one is kept in the tab alone", async () => {
    const agent = await new FakeAgent().start();
    const { page, context, complaints } = await openPage(browser, agent.address);
    await signIn(page, "nonsense");
    await page.getByText("does not know this token").waitFor();
    await signIn(page);
    await cardShows(page, 1);
    const stores = await page.evaluate(() => [
      JSON.stringify({ ...sessionStorage }),
      JSON.stringify({ ...localStorage }),
      document.cookie,
    ]);
    assert.match(stores[0], new RegExp(TOKEN));
    assert.doesNotMatch(stores[1], new RegExp(TOKEN));
    assert.equal(stores[2], "");
    assert.deepEqual(complaints, []);
    await context.close();
    await agent.stop();
  });

  check("keys alone: accept, correct, reject, skip, flag, comment, undo", async ({ agent, page }) => {
    await cardShows(page, 1);
    await page.keyboard.press("a");
    await cardShows(page, 2);
    await page.keyboard.press("1"); // the suggestion is the second class
    await cardShows(page, 3);
    await page.keyboard.press("x");
    await page.getByText("Which class is it?").waitFor();
    await page.keyboard.press("2");
    await cardShows(page, 4);
    await page.keyboard.press(" ");
    await page.getByText("Why skip it?").waitFor();
    await page.keyboard.press("Escape");
    await page.getByText("Why skip it?").waitFor({ state: "detached" });
    await page.keyboard.press(" ");
    await page.keyboard.press("4"); // needs words
    await page.keyboard.type("blurred");
    await page.keyboard.press("Escape");
    await page.keyboard.press("4");
    await cardShows(page, 5);
    await page.keyboard.press("c");
    await page.keyboard.type("a 1 f x unclear");
    await page.keyboard.press("Escape");
    await page.keyboard.press("f");
    await cardShows(page, 6);
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    await cardShows(page, 7);
    await saved(page); // else it is taken back before it has left
    await page.keyboard.press("Backspace");
    await cardShows(page, 6);
    await page.keyboard.press("Control+Enter");
    await cardShows(page, 7);
    await saved(page);
    assert.deepEqual(
      agent.arrived.map(({ item, decision, class: index, comment }) => [
        Number.parseInt(item, 16),
        decision,
        index,
        comment,
      ]),
      [
        [1, "accept", 0, undefined],
        [2, "correct", 0, undefined],
        [3, "correct", 1, undefined],
        [4, "skip", null, "blurred"],
        [5, "flag", 0, "a 1 f x unclear"],
        [6, "correct", 0, undefined],
        [6, "correct", 0, undefined],
      ],
    );
    assert.deepEqual(agent.arrived.flatMap(({ reason }) => reason ?? []), ["other"]);
    assert.equal(agent.undone.length, 1);
    assert.equal(agent.undone[0], agent.arrived[5].key);
    assert.ok(agent.arrived.every(({ seconds }) => seconds >= 0 && seconds < 60));
    assert.equal(new Set(agent.arrived.map(({ key }) => key)).size, 7);
  });

  check("a key held down decides one item", async ({ agent, page }) => {
    await cardShows(page, 1);
    for (let repeat = 0; repeat < 5; repeat += 1) await page.keyboard.down("a");
    await page.keyboard.up("a");
    await cardShows(page, 2);
    await saved(page);
    assert.equal(agent.arrived.length, 1);
  });

  check("buttons by tab, enter and space, without single keys", async ({ agent, page }) => {
    await cardShows(page, 1);
    await page.keyboard.press("?");
    const help = page.getByRole("dialog", { name: "All keys" });
    await help.getByRole("checkbox").focus();
    await page.keyboard.press(" ");
    await page.keyboard.press("Escape");
    await help.waitFor({ state: "detached" });
    await page.keyboard.press("a");
    await page.keyboard.press("2");
    await cardShows(page, 1);
    await page.locator("article").focus();
    for (const name of ["1 No disease suggested", "2 Disease"]) {
      await page.keyboard.press("Tab");
      assert.equal(await focused(page), name);
    }
    await page.keyboard.press("Enter");
    await cardShows(page, 2);
    await page.getByRole("button", { name: "Skip" }).focus();
    await page.keyboard.press(" ");
    await page.getByRole("button", { name: "Not enough information" }).focus();
    await page.keyboard.press("Enter");
    await cardShows(page, 3);
    await saved(page);
    assert.deepEqual(
      agent.arrived.map(({ decision }) => decision),
      ["correct", "skip"],
    );
  });

  check(
    "a blind read shows neither prelabel nor confidence",
    async ({ agent, page }) => {
      await page.getByText("Blind read").waitFor();
      const text = await page.locator("main").innerText();
      assert.doesNotMatch(text, /suggested|%|confidence/i);
      assert.equal(await page.locator(".chosen").count(), 0);
      await page.keyboard.press("a");
      await page.keyboard.press("Enter");
      await cardShows(page, 1);
      await page.keyboard.press("2");
      await cardShows(page, 2);
      await saved(page);
      assert.deepEqual([agent.arrived.length, agent.arrived[0].decision], [1, "correct"]);
    },
    // Also an agent that sends the prelabel by mistake is not shown.
    { items: () => makeItems(5, () => ({ blind: true })) },
  );

  check(
    "synthetic items have a queue of their own, and each is asked whether it looks real",
    async ({ agent, page }) => {
      await page.getByRole("button", { name: "Judge synthetic items" }).click();
      await page.getByText("Synthetic and real items, mixed").waitFor();
      assert.doesNotMatch(await page.locator("main").innerText(), /suggested|%|confidence/i);
      const done = await page.locator(".figures").getByText("/").innerText();
      await page.keyboard.press("m");
      await page.keyboard.press("r");
      assert.equal(await page.getByRole("button", { name: /^R Real/ }).getAttribute("aria-pressed"), "true");
      await page.keyboard.press("2");
      await cardShows(page, 32);
      assert.equal(await page.locator(".chosen").count(), 0);
      await saved(page); // else it is taken back before it has left
      await page.keyboard.press("m");
      await page.keyboard.press("Backspace"); // what was said of the first one comes back with it
      await cardShows(page, 31);
      await page.keyboard.press("1");
      await page.keyboard.press("2"); // nothing said of this one
      await saved(page);
      await axe(page, "synthetic");
      const judged = agent.arrived.map((entry) => [Number(`0x${entry.item}`), entry.class, entry.looks_real]);
      assert.deepEqual(judged, [[31, 1, true], [31, 0, true], [32, 1, undefined]]);
      assert.equal(await page.locator(".figures").getByText("/").innerText(), done);
      await page.getByRole("button", { name: "Back to real items" }).click();
      await cardShows(page, 1);
      await page.keyboard.press("r");
      await page.keyboard.press("a");
      await saved(page);
      assert.equal(agent.arrived.at(-1).looks_real, undefined);
    },
    { prepare: (agent) => (agent.mixed = makeItems(34, synthetic).slice(30)), options: { bypassCSP: true } },
  );

  check(
    "twenty classes: shift reaches the second ten",
    async ({ agent, page }) => {
      await cardShows(page, 1);
      await page.keyboard.press("ArrowUp");
      await page.keyboard.press("ArrowUp");
      await page.waitForFunction(() => {
        const [list, chosen] = [".classes", ".chosen"].map((mark) =>
          document.querySelector(mark).getBoundingClientRect(),
        );
        return chosen.height > 0 && chosen.bottom <= list.bottom + 1 && chosen.top >= list.top;
      });
      assert.match(await page.locator(".chosen").innerText(), /class 19/);
      await page.keyboard.press("Shift+Digit3");
      await cardShows(page, 2);
      await page.keyboard.press("0");
      await cardShows(page, 3);
      await saved(page);
      assert.deepEqual(
        agent.arrived.map((entry) => entry.class),
        [12, 9],
      );
    },
    {
      prepare: (agent) => {
        agent.classes = Array.from({ length: 20 }, (_, index) => ({
          name: `class ${index + 1}`,
          description: "",
        }));
      },
    },
  );

  check("undo survives a reload, twenty decisions deep", async ({ agent, page }) => {
    for (let item = 1; item <= 22; item += 1) {
      await cardShows(page, item);
      await page.keyboard.press("a");
    }
    await saved(page);
    await page.reload();
    for (let item = 22; item >= 3; item -= 1) {
      await page.locator("article").waitFor();
      await page.keyboard.press("Control+z");
      await cardShows(page, item);
    }
    await page.keyboard.press("Backspace");
    await page.getByText("There is nothing to undo.").waitFor();
    await saved(page);
    assert.equal(agent.undone.length, 20);
    assert.equal(agent.annotations.size, 2);
  });

  check("decisions without a network survive a reload, and each is sent once", async (world) => {
    const { agent, page } = world;
    await cardShows(page, 1);
    agent.mode = "away";
    for (let item = 1; item <= 8; item += 1) {
      await page.keyboard.press(item % 3 === 0 ? "2" : "a");
      await cardShows(page, item + 1);
    }
    await page.keyboard.press("Backspace"); // never sent: nothing for the agent to undo
    await cardShows(page, 8);
    await page.getByText("7 decisions wait").waitFor();
    const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }));
    assert.doesNotMatch(kept, /Cholesterol|tightness/, "no content of an item in localStorage");
    await page.reload();
    await page.getByText("The agent does not answer").waitFor();
    assert.equal(agent.arrived.length, 0);
    agent.mode = "up";
    await page.locator("article").waitFor();
    await saved(page);
    await cardShows(page, 8);
    assert.deepEqual(
      agent.arrived.map(({ item }) => Number.parseInt(item, 16)),
      [1, 2, 3, 4, 5, 6, 7],
    );
    assert.equal(agent.annotations.size, 7);
    assert.equal(agent.undone.length, 0);
  });

  check("an answer that got lost is asked for again with the same key", async ({ agent, page }) => {
    await cardShows(page, 1);
    agent.mode = "mute";
    await page.keyboard.press("a");
    await page.getByText("The agent does not answer").waitFor();
    agent.mode = "up";
    await page.getByRole("button", { name: "Try now" }).click();
    await saved(page);
    assert.equal(new Set(agent.arrived.map(({ key }) => key)).size, 1);
    assert.ok(agent.arrived.length >= 2);
    assert.equal(agent.annotations.size, 1);
  });

  check("an agent that answers again is said to, though nothing waits to be sent", async ({ agent, page }) => {
    await page.clock.install();
    await page.reload();
    await cardShows(page, 1);
    agent.mode = "away";
    await page.clock.fastForward("00:30"); // the projects are asked for again, and more items are not
    await page.getByText("The agent does not answer").waitFor();
    agent.mode = "up";
    await page.clock.fastForward("00:30");
    await page.getByText("The agent does not answer").waitFor({ state: "detached" });
  });

  check("two tabs send each decision once", async ({ agent, page, context }) => {
    await cardShows(page, 1);
    agent.mode = "away";
    for (let item = 1; item <= 5; item += 1) await page.keyboard.press("a");
    await page.getByText("5 decisions wait").waitFor();
    agent.mode = "up";
    const second = await context.newPage();
    await second.goto(agent.address);
    // The first tab tries again by itself, at the same time.
    await signIn(second);
    await saved(second);
    await saved(page);
    // What one tab has sent may still wait in the other's view of the storage, which lags between
    // processes: it is sent under the same key then, and the agent takes it once.
    const byKey = new Map(agent.arrived.map(({ key, item }) => [key, Number.parseInt(item, 16)]));
    assert.deepEqual([...byKey.values()], [1, 2, 3, 4, 5]);
  });

  check("an expired session keeps the work and goes on", async ({ agent, page }) => {
    await cardShows(page, 1);
    await page.keyboard.press("c");
    await page.keyboard.type("half a thought");
    agent.people.delete(TOKEN);
    await page.keyboard.press("Control+Enter");
    const dialog = page.getByRole("dialog", { name: "Your session has ended" });
    await dialog.getByText("One unsaved decision is kept").waitFor();
    await page.keyboard.press("Escape");
    assert.ok(await dialog.isVisible());
    agent.people.set("new-token", { name: "ann", role: "annotator", site: "cleveland" });
    await signIn(page, "new-token");
    await dialog.waitFor({ state: "detached" });
    await saved(page);
    await cardShows(page, 2);
    assert.equal(agent.annotations.get(agent.items[0].item).comment, "half a thought");
  });

  check("nobody's decisions are sent in another person's name", async ({ agent, page }) => {
    await cardShows(page, 1);
    agent.mode = "away";
    await page.keyboard.press("a");
    await page.getByText("One decision waits").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    agent.mode = "up";
    agent.leases.clear();
    await signIn(page, "eve-token");
    await page.getByText("Somebody else’s unsaved decisions (1)").waitFor();
    await page.keyboard.press("Backspace");
    await page.getByText("There is nothing to undo.").waitFor();
    assert.equal(agent.arrived.length, 0);
    await page.getByRole("button", { name: "Sign out" }).click();
    agent.leases.set(agent.items[0].item, "ann");
    await signIn(page);
    await saved(page);
    assert.deepEqual(
      agent.arrived.map(({ person }) => person),
      ["ann"],
    );
  });

  check(
    "a lease goes on while somebody works, and no longer",
    async ({ agent, page }) => {
      await cardShows(page, 1);
      await page.keyboard.press("c");
      await page.keyboard.type("a long thought");
      await page.waitForTimeout(8_000);
      assert.equal(agent.renewed.length, 1, "once for all the work of half a minute");
      assert.ok(agent.renewed[0].includes(agent.items[0].item));
      await page.keyboard.press("Control+Enter");
      await cardShows(page, 2);
      await saved(page);
    },
    {
      prepare: (agent) => {
        agent.leaseMs = 6_000;
        agent.renewMs = 600_000;
      },
    },
  );

  check(
    "an item that came back by undo is kept while somebody works on it, and no longer",
    async ({ agent, page }) => {
      await page.clock.install();
      await page.reload();
      await cardShows(page, 1);
      await page.keyboard.press("a");
      await cardShows(page, 2);
      await saved(page); // else it is taken back before it has left
      const renewal = page.waitForRequest(/\/api\/leases$/);
      await page.keyboard.press("Backspace");
      await cardShows(page, 1);
      assert.ok((await renewal).postDataJSON().items.includes(agent.items[0].item));
      await page.clock.runFor("11:00");
      await page.getByText("This item’s time has run out").waitFor();
    },
    {
      prepare: (agent) => {
        agent.renewMs = 600_000;
      },
    },
  );

  check(
    "a page that nobody is at asks for nothing by itself",
    async ({ page }) => {
      await page.clock.install();
      await page.addInitScript(() => {
        const ask = window.fetch;
        window.asked = 0;
        window.fetch = (...request) => {
          window.asked += 1;
          return ask(...request);
        };
      });
      const asked = () => page.evaluate(() => window.asked);
      await page.reload();
      await page.getByText("All done here").waitFor();
      const first = await asked();
      await page.clock.runFor("04:00");
      const last = await asked();
      assert.ok(last > first, "new items appear by themselves");
      await page.clock.runFor("02:00");
      const before = await asked();
      await page.clock.runFor("30:00");
      assert.ok((await asked()) <= before + 2, "no more than what was under way");
      const request = page.waitForRequest(/\/next\?/);
      await page.mouse.move(300, 300);
      await request;
    },
    { items: () => [] },
  );

  check("a comment survives a reload, and a refusal", async ({ agent, page }) => {
    const comment = () => page.getByLabel("Comment").inputValue();
    await cardShows(page, 1);
    await page.keyboard.press("x"); // no class either
    await page.keyboard.press("c");
    await page.keyboard.type("half a thought");
    await page.reload();
    await cardShows(page, 1);
    assert.equal(await comment(), "half a thought");
    await page.keyboard.press("x");
    agent.leases.set(agent.items[0].item, "eve");
    await page.keyboard.press("f");
    await page.getByText("Not saved").waitFor();
    await cardShows(page, 2);
    assert.equal(await comment(), "");
    agent.leases.delete(agent.items[0].item);
    await page.reload();
    await cardShows(page, 1);
    assert.equal(await comment(), "half a thought");
    await page.keyboard.press("f");
    await cardShows(page, 2);
    await saved(page);
    assert.equal(agent.annotations.get(agent.items[0].item).comment, "half a thought");
    await page.reload();
    await cardShows(page, 2);
    assert.equal(await comment(), "");
  });

  check(
    "a confidence says what it is",
    async ({ page }) => {
      await page.getByText("% sure, calibrated", { exact: false }).waitFor();
      await page.keyboard.press("a");
      await page.getByText("% sure, calibrated by your site’s labels").waitFor();
      await page.keyboard.press("a");
      await page.getByText("% sure, not calibrated").waitFor();
      await page.keyboard.press("a");
      await page.getByText("Its maker does not say how sure it is.").waitFor();
    },
    {
      items: () =>
        makeItems(4, (index) => ({
          prelabel: {
            class: 0,
            confidence: index === 3 ? null : 0.7,
            calibrated: ["model", "site", null, null][index],
          },
        })),
    },
  );

  check(
    "an expert reads why others gave no label",
    async ({ page }) => {
      await page.getByText("Not enough information", { exact: true }).waitFor();
      await page.getByText("Other, as the comment says: blurred").waitFor();
    },
    {
      items: () =>
        makeItems(1, () => ({
          queue: "expert",
          notes: [
            { verdict: "skip", reason: "not_enough", comment: null },
            { verdict: "skip", reason: "other", comment: "blurred" },
          ],
        })),
    },
  );

  check("a lease that went to somebody else is said, not hidden", async ({ agent, page }) => {
    await cardShows(page, 1);
    agent.leases.set(agent.items[0].item, "eve");
    await page.keyboard.press("2");
    await page.getByText("Not saved: “Corrected to Disease”").waitFor();
    await page.getByText("another person has it").waitFor();
    await cardShows(page, 2);
    assert.equal(agent.annotations.size, 0);
    await page.getByRole("button", { name: "Dismiss" }).click();
    await page.getByText("Not saved").waitFor({ state: "detached" });
  });

  check(
    "a lease that ended on the table asks for fresh items",
    async ({ agent, page }) => {
      await page.getByText("This item’s time has run out").waitFor({ timeout: 8_000 });
      await page.keyboard.press("a");
      assert.equal(agent.arrived.length, 0);
      agent.leaseMs = 600_000;
      await page.keyboard.press("Enter");
      await cardShows(page, 1);
    },
    {
      prepare: (agent) => {
        agent.leaseMs = 6_000;
      },
    },
  );

  check(
    "an empty queue says so, and new items appear by themselves",
    async ({ agent, page }) => {
      await page.getByText("All done here").waitFor();
      agent.items.push(...makeItems(1));
      await cardShows(page, 1, 15_000);
    },
    { items: () => [] },
  );

  check(
    "hostile content is inert",
    async ({ page }) => {
      await page.getByText("<script>alert(1)</script>").first().waitFor();
      assert.deepEqual(await page.locator(".mask").allInnerTexts(), ["name 0123", "date"]);
      assert.equal(await page.locator("main img, main script, main a").count(), 0);
    },
    {
      items: () =>
        makeItems(2, () => ({
          why: "<img src=x onerror=alert(1)>",
          fields: [
            { title: "Note", value: "<script>alert(1)</script> [NAME:0123456789abcdef] [<b>] [DATE]", unit: "", kind: "text" },
            { title: "<b>x</b>", value: "javascript:alert(1)", unit: "<i>", kind: "category" },
          ],
        })),
    },
  );

  for (const colorScheme of ["light", "dark"]) {
    check(
      `axe finds nothing (${colorScheme})`,
      async ({ page }) => {
        await cardShows(page, 1);
        await page.keyboard.press("a");
        await cardShows(page, 2);
        await axe(page, "item");
        await page.keyboard.press("x");
        await axe(page, "rejected");
        await page.keyboard.press(" ");
        await page.getByText("Why skip it?").waitFor();
        await axe(page, "reasons");
        await picture(page, `skip-reasons-${colorScheme}`);
        await page.keyboard.press("Escape");
        await page.keyboard.press("h");
        await axe(page, "guideline");
        await page.keyboard.press("Escape");
        await page.keyboard.press("?");
        await axe(page, "keys");
      },
      // A page that forbids injected script is the point; axe itself has to be injected.
      { options: { bypassCSP: true, colorScheme } },
    );
  }
});

function cardShows(page, number, timeout = 5_000) {
  return page.locator("article", { hasText: `for item ${number}.` }).waitFor({ timeout });
}

function focused(page) {
  return page.evaluate(() => document.activeElement?.textContent.replace(/(?<=\d)(?=\S)|(?=suggested)/g, " "));
}

const synthetic = () => ({ queue: "synthetic", blind: true, prelabel: null, bundle: null, why: "synthetic and real items, blind" });
