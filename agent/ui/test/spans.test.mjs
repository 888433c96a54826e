// Spans and relations of a text: by keyboard, by pointer, as a list, and what the agent gets.

import assert from "node:assert/strict";
import { card, describeKind, move } from "./kind-steps.mjs";
import { points } from "./kinds-data.mjs";
import { axe, picture, saved } from "./steps.mjs";

describeKind("spans", (check) => {
  check("the draft is accepted as it is, and not once it was changed", async ({ agent, page, press }) => {
    await press("a");
    await card(page, 2);
    await press("Tab", "Delete", "a");
    await page.getByText("You changed the suggestion").waitFor();
    await press("Enter");
    await saved(page);
    const [accepted, corrected] = agent.arrived;
    assert.deepEqual([accepted.decision, accepted.label.spans.length, accepted.label.relations.length], ["accept", 5, 1]);
    assert.deepEqual([corrected.decision, corrected.label.spans.length, corrected.label.relations.length], ["correct", 4, 0]);
    assert.deepEqual(corrected.label.spans[0], { ...points("500 mg"), class: 2 });
  });

  check("made by keyboard at code points: emoji, combining marks, right to left, a mask", async ({ agent, page, press }) => {
    await press("x");
    await press("ArrowRight", "ArrowRight", "ArrowRight", "2"); // Pt, the mask, the emoji
    await pickWord(page, press, "vu");
    await press("Shift+ArrowLeft", "3"); // the word before as well
    await pickWord(page, press, "البنسلين");
    await press("d"); // the class's own key
    await press("Enter");
    await saved(page);
    assert.deepEqual(agent.arrived[0].label.spans, [
      { ...points("👩🏽‍⚕️"), class: 1 },
      { ...points("de\u0301ja\u0300 vu"), class: 2 },
      { ...points("البنسلين"), class: 0 },
    ]);
  });

  check("edges move by grapheme, and over a mask as a whole", async ({ agent, page, press }) => {
    await press("x", "ArrowRight", "ArrowRight", "ArrowRight", "1");
    await press("[", "[", "[", "{"); // the space, the mask, the space before it, and that one back
    await press("]", "]", "]", "}"); // the space, "s", "t", and that one back
    await press("Escape");
    await pickWord(page, press, "déjà".normalize("NFD"));
    await press("2", "}");
    await press("Enter");
    await saved(page);
    const mask = "[NAME:0123456789abcdef] 👩🏽‍⚕️ s";
    assert.deepEqual(agent.arrived[0].label.spans, [
      { ...points(mask), class: 0 },
      { ...points("de\u0301j"), class: 1 },
    ]);
  });

  check("up and down go from line to line", async ({ agent, page, press }) => {
    await press("x");
    await pickWord(page, press, "metformin");
    const top = async () => (await rectOf(page, "metformin")).y;
    const before = await top();
    await press("ArrowDown", "1", "ArrowUp", "2", "Enter");
    await saved(page);
    assert.equal(await top(), before, "nothing had to scroll");
    const [above, below] = agent.arrived[0].label.spans;
    assert.deepEqual(above, { ...points("metformin"), class: 1 });
    assert.ok(below.start > points("nausea").start, "a word of the second line");
  });

  check(
    "from right to left, the left arrow goes on",
    async ({ agent, page, press }) => {
      await press("ArrowLeft", "ArrowLeft", "Shift+ArrowLeft", "1", "Enter");
      await saved(page);
      const text = "لا حساسية من البنسلين";
      assert.deepEqual(agent.arrived[0].label.spans, [{ ...points("حساسية من", text), class: 0 }]);
    },
    {
      change: (index) => ({
        prelabel: null,
        fields: [
          { name: "note", title: "Note", value: "لا حساسية من البنسلين", unit: "", kind: "text" },
          { name: "number", title: "Item", value: index + 1, unit: "", kind: "number" },
        ],
      }),
    },
  );

  check("exactly as picked with alt, letter by letter", async ({ agent, page, press }) => {
    await press("x");
    await pickWord(page, press, "metformin");
    await press("Alt+Shift+ArrowLeft", "Alt+Shift+ArrowLeft", "1");
    await press("Enter");
    await saved(page);
    assert.deepEqual(agent.arrived[0].label.spans, [{ ...points("metform"), class: 0 }]);
  });

  check("relations: l, tab, enter, digit; relabelled and removed", async ({ agent, page, press }) => {
    await press("Tab", "Tab", "l", "Tab", "Enter", "2"); // 500 mg causes diabetes
    await page.locator(".mark-row", { hasText: "causes" }).waitFor();
    await press("1"); // the new relation is selected
    await press("Tab"); // past the last one: the focus goes on
    await press("Escape");
    await page.locator("[data-surface]").focus();
    await press("Tab", "Delete"); // metformin goes with its relation
    await press("Enter");
    await saved(page);
    const { spans, relations } = agent.arrived[0].label;
    assert.equal(spans.length, 4);
    assert.deepEqual(relations, [{ from: 0, to: 1, relation: 0 }]);
    assert.deepEqual(spans[relations[0].from], { ...points("500 mg"), class: 2 });
  });

  check("a change of the label ends a relation that was under way", async ({ agent, page, press }) => {
    await press("Tab", "Tab", "Tab", "l");
    await page.getByText("Relate to which one?").waitFor();
    await press("Shift+Tab", "Delete"); // a span before the one that the relation starts at
    await page.getByText("Relate to which one?").waitFor({ state: "detached" });
    await press("Enter");
    await saved(page);
    const { spans, relations } = agent.arrived[0].label;
    assert.equal(spans.length, 4);
    assert.deepEqual(relations, [{ from: 0, to: 1, relation: 0 }]);
  });

  check(
    "axe finds nothing while a relation is under way",
    async ({ page, press }) => {
      await press("Tab", "l");
      await axe(page, "from one span");
      await press("Tab", "Enter");
      await page.getByRole("button", { name: "1 treats" }).waitFor();
      await axe(page, "which relation");
      await picture(page, "spans-linking");
      await page.getByRole("button", { name: "2 causes" }).click();
      await page.locator(".mark-row", { hasText: "causes" }).waitFor();
    },
    { options: { bypassCSP: true } },
  );

  check("tab leaves after the last one, and comes back from behind", async ({ page, press }) => {
    for (let stop = 0; stop < 6; stop += 1) await press("Tab");
    assert.match(await page.locator('[aria-current="true"]').innerText(), /treats/);
    await press("Tab");
    assert.equal(await page.locator('[aria-current="true"]').count(), 0);
    const within = () => page.evaluate(() => document.activeElement.closest("[data-surface]") !== null);
    assert.equal(await within(), false);
    await press("Shift+Tab");
    assert.equal(await within(), true);
    await press("Shift+Tab");
    assert.match(await page.locator('[aria-current="true"]').innerText(), /treats/);
  });

  check("the pointer selects, snaps to words, and with alt does not", async ({ agent, page, press }) => {
    await press("x");
    await drag(page, await rectOf(page, "iabete"));
    await press("2");
    await page.locator(".mark-row", { hasText: "“diabetes”" }).waitFor();
    await drag(page, await rectOf(page, "lisino"));
    await press("Alt+1");
    await page.locator(".mark-row", { hasText: "“lisino”" }).waitFor();
    await drag(page, await rectOf(page, "bleeding"));
    await page.locator(".class", { hasText: "Condition" }).click(); // as on a tablet
    const { x, y, width, height } = await rectOf(page, "diabetes");
    await page.mouse.click(x + width / 2, y + height / 2);
    await press("3", "Enter");
    await saved(page);
    assert.deepEqual(agent.arrived[0].label.spans, [
      { ...points("diabetes"), class: 2 },
      { ...points("bleeding"), class: 1 },
      { ...points("lisino"), class: 0 },
    ]);
  });

  check("the list is read and operated without the text", async ({ agent, page, press }) => {
    const names = ["Drug “metformin”", "Dose “500 mg”", "Condition “diabetes”", "Condition “nausea”", "Drug “Aspirin”"];
    for (const name of names) await page.getByRole("button", { name: `${name} suggested`, exact: true }).waitFor();
    await page.getByRole("button", { name: "“metformin” treats “diabetes”", exact: true }).waitFor();
    await page.getByRole("button", { name: "Drug “metformin”" }).focus();
    await press("ArrowDown", "ArrowDown", "}", "1", "ArrowDown", "Delete");
    assert.ok(await page.evaluate(() => document.activeElement.matches(".mark-row")), "the focus stays in the list");
    await press("Control+Enter");
    await saved(page);
    assert.deepEqual(agent.arrived[0].label.spans[2], { ...points("diabete"), class: 0 });
    assert.equal(agent.arrived[0].label.spans.length, 4);
  });

  check("an unfinished label survives a reload, with its undo; so does what undo brought back", async ({ agent, page, press }) => {
    await press("Tab", "2", "Tab", "Delete");
    await page.reload();
    await card(page, 1);
    assert.equal(await page.locator(".marks li").count(), 5);
    await press("Backspace", "Backspace");
    assert.match(await page.locator(".marks li").first().innerText(), /Drug/);
    await press("Tab", "2", "Enter");
    await card(page, 2);
    await saved(page);
    await page.reload();
    await card(page, 2);
    await press("Control+z");
    await card(page, 1);
    assert.match(await page.locator(".marks li").first().innerText(), /Condition/);
    await saved(page);
    await page.reload();
    await card(page, 1);
    assert.match(await page.locator(".marks li").first().innerText(), /Condition/);
    await press("Enter");
    await saved(page);
    const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }));
    assert.doesNotMatch(kept, /metformin/, "no content of an item in localStorage");
    assert.equal(agent.annotations.get(agent.items[0].item).label.spans[0].class, 1);
  });

  check("decisions without a network are kept with their labels and sent once", async ({ agent, page, press }) => {
    agent.mode = "away";
    await press("Tab", "Delete", "Enter");
    await card(page, 2);
    await press("a");
    await card(page, 3);
    await page.getByText("2 decisions wait").waitFor();
    await page.reload();
    agent.mode = "up";
    await card(page, 3);
    await saved(page);
    assert.deepEqual(
      agent.arrived.map(({ label }) => label.spans.length),
      [4, 5],
    );
  });

  check(
    "a blind card shows no draft",
    async ({ agent, page, press }) => {
      await page.getByText("Blind read").waitFor();
      assert.equal(await page.locator(".marks li").count(), 0);
      await press("a", "ArrowRight", "1", "Enter");
      await saved(page);
      assert.deepEqual(agent.arrived.map(({ decision, label }) => [decision, label.spans]), [["correct", [{ start: 0, end: 2, class: 0 }]]]);
    },
    { change: () => ({ blind: true }) },
  );

  check(
    "in forced colours each class still has a line of its own",
    async ({ page }) => {
      const lines = await page.evaluate(() =>
        [...document.adoptedStyleSheets.flatMap((sheet) => [...sheet.cssRules])]
          .filter(({ selectorText }) => selectorText?.includes("drafted"))
          .map(({ style }) => style.textDecorationStyle),
      );
      assert.equal(new Set(lines).size, 3);
      // And the browser does not paint all of them in the colours of a selection.
      assert.equal(await page.locator(".passage").evaluate((text) => getComputedStyle(text).forcedColorAdjust), "none");
      await picture(page, "spans-forced-colours");
    },
    { options: { forcedColors: "active" } },
  );
});

/** Walks by arrow until a word is picked: what is picked is spoken. */
async function pickWord(page, press, word) {
  for (let steps = 0; steps < 60; steps += 1) {
    if ((await page.locator("[aria-live]").last().innerText()).trim() === word) return;
    await press("ArrowRight");
  }
  assert.fail(`${word} was not reached`);
}

/** Where a phrase of the note is on the screen. */
function rectOf(page, phrase) {
  return page.evaluate((phrase) => {
    for (const node of document.querySelector("[data-passage]").childNodes) {
      const at = node.nodeType === Node.TEXT_NODE ? node.data.indexOf(phrase) : -1;
      if (at < 0) continue;
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + phrase.length);
      const { x, y, width, height } = range.getBoundingClientRect();
      return { x, y, width, height };
    }
    throw new Error(`no ${phrase}`);
  }, phrase);
}

function drag(page, { x, y, width, height }) {
  return move(page, [x + 0.5, y + height / 2], [x + width - 0.5, y + height / 2]);
}
