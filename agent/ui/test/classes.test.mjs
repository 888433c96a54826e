// Labels without marks: any number of classes, or which of two texts is better.

import assert from "node:assert/strict";
import { card, describeKind } from "./kind-steps.mjs";
import { saved } from "./steps.mjs";

describeKind("classes", (check) => {
  check("digits toggle, enter submits, undo brings the answer back", async ({ agent, page, press }) => {
    await press("2", "3", "Enter");
    await card(page, 2);
    await press("a");
    await card(page, 3);
    await press("x", "Enter");
    await card(page, 4);
    await saved(page); // else they are taken back before they have left
    await press("Backspace", "Backspace"); // the last item, then the one before
    await card(page, 2);
    assert.deepEqual(await chosen(page), ["Medication", "Symptom"]);
    await press("4", "Enter");
    await saved(page);
    assert.deepEqual(
      agent.arrived.map(({ decision, label }) => [decision, label.classes]),
      [
        ["correct", [0, 1]],
        ["accept", [0, 2]],
        ["correct", []],
        ["correct", [0, 2, 3]],
      ],
    );
    assert.ok(agent.arrived.every((sent) => !("class" in sent)));
  });

  check("arrows and space reach what has no digit", async ({ agent, page, press }) => {
    await press("ArrowDown", "ArrowDown", " ", "Control+Enter");
    await saved(page);
    assert.deepEqual(agent.arrived[0].label.classes, [0, 1, 2]);
  });

  check(
    "a project's own keys, a digit among them, and the digit that it takes from another class",
    async ({ agent, page, press }) => {
      const caps = await page.locator(".class kbd").allInnerTexts();
      assert.deepEqual(caps, ["M", "1", "3", "4"]); // A is taken by accept
      await press("x", "m", "1", "2", "Enter");
      await saved(page);
      assert.deepEqual(agent.arrived[0].label.classes, [0]);
    },
    { classes: (all) => all.map((one, index) => ({ ...one, ...[{ key: "m" }, { key: "1" }, {}, { key: "a" }][index] })) },
  );
});

describeKind("preference", (check) => {
  check("left, right and equal decide", async ({ agent, page, press }) => {
    const [left, right] = await Promise.all(["Answer A", "Answer B"].map((name) => page.locator(".text", { hasText: name }).boundingBox()));
    assert.ok(left.x + left.width <= right.x && Math.abs(left.y - right.y) < 1, "side by side");
    await press("ArrowLeft");
    await card(page, 2);
    await press("ArrowRight");
    await card(page, 3);
    await press("=");
    await card(page, 4);
    await press("2");
    await saved(page);
    assert.deepEqual(
      agent.arrived.map(({ decision, label }) => [decision, label.class]),
      [["accept", 0], ["correct", 1], ["correct", 2], ["correct", 1]],
    );
  });
});

async function chosen(page) {
  const names = await page.locator(".class.chosen > span:not(.tag)").allInnerTexts();
  return names;
}
