// Work that was not submitted: it comes back with its item, whatever happened in between.

import assert from "node:assert/strict";
import { card, describeKind } from "./kind-steps.mjs";
import { picture, saved } from "./steps.mjs";

const right = async (press, steps) => {
  await press("Tab");
  for (let step = 0; step < steps; step += 1) await press("Shift+ArrowRight");
};

/** Puts an item on top or at the end of the queue. */
function reorder(agent, place) {
  const [moved] = agent.items.splice(place, 1);
  if (place === 0) agent.items.push(moved);
  else agent.items.unshift(moved);
}

describeKind("regions", (check) => {
  check("work on two items survives reloads side by side", async ({ agent, page, press }) => {
    const first = agent.items[0].prelabel.label.regions[0].box;
    await right(press, 3);
    reorder(agent, 0);
    await page.reload();
    await card(page, 2);
    await right(press, 1);
    reorder(agent, agent.items.length - 1);
    await page.reload();
    await card(page, 1);
    await page.getByText("changed by you").waitFor();
    await press("Enter");
    await card(page, 2);
    await page.getByText("changed by you").waitFor();
    await press("Enter");
    await card(page, 3);
    await saved(page);
    const lefts = agent.arrived.map(({ label }) => Math.min(...label.regions.filter(({ box }) => box?.[2] === first[2]).map(({ box }) => box[0])));
    assert.equal(lefts.length, 2);
    assert.ok(lefts[0] > first[0] && lefts[0] - first[0] > 2 * (lefts[1] - first[0]), `${first[0]} to ${lefts}`);
  });

  check("what the agent refused comes back with the item", async ({ agent, page, press }) => {
    const { item } = agent.items[0];
    await right(press, 2);
    agent.leases.set(item, "eve");
    await press("Enter");
    await page.getByText("Not saved").waitFor();
    agent.leases.delete(item);
    await page.reload();
    await card(page, 1);
    await page.getByText("changed by you").waitFor();
    await press("Enter");
    await card(page, 2);
    await saved(page);
    assert.ok(agent.annotations.has(item));
  });

  check("another suggestion meanwhile is said, and undo shows it", async ({ agent, page, press }) => {
    await right(press, 2);
    agent.items[0].prelabel = { label: { regions: [{ class: 1, box: [1, 1, 5, 5] }] }, confidence: null, scores: [0.625] };
    await page.reload();
    await page.getByText("Your unsaved work on this item is back.").waitFor();
    await press("Backspace");
    await page.getByText("suggested, 63 %").waitFor();
    await picture(page, "regions-scores");
  });

  check("nobody else sees it, and who signs out leaves nothing", async ({ page, press }) => {
    await right(press, 2);
    await page.getByRole("button", { name: "Sign out" }).click();
    const kept = await page.evaluate(() => Object.keys(sessionStorage).filter((name) => name.startsWith("insitu.work")));
    assert.deepEqual(kept, []);
  });
});
