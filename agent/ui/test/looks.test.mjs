// How every kind of label looks: the readings for an expert, faults of accessibility, sizes of targets.

import assert from "node:assert/strict";
import { describeKind } from "./kind-steps.mjs";
import { toSettle } from "./kinds-data.mjs";
import { axe, picture, saved, TABLET } from "./steps.mjs";

for (const kind of ["classes", "spans", "regions", "segments", "preference"]) {
  describeKind(kind, (check) => {
    check(
      "an expert sees the readings side by side, with what differs, and takes one over by a key",
      async ({ agent, page, press }) => {
        const readers = page.locator(".reading");
        const [first, second] = await Promise.all([readers.nth(0).boundingBox(), readers.nth(1).boundingBox()]);
        assert.ok(first.x + first.width <= second.x, "side by side");
        assert.ok((await readers.getByText("only here").count()) >= 2);
        await picture(page, `${kind}-expert`);
        await axe(page, "readings");
        await press("t", "t");
        await readers.nth(1).getByText("Taken over").waitFor();
        await press("Enter");
        await saved(page);
        const settled = agent.arrived[0];
        assert.equal(settled.decision, "correct");
        assert.deepEqual(sorted(settled.label), sorted(toSettle(kind).readings[1].label));
      },
      { token: "eve-token", change: () => toSettle(kind), options: { bypassCSP: true } },
    );

    for (const [name, options] of [
      ["desktop-light", {}],
      ["desktop-dark", { colorScheme: "dark" }],
      ["tablet-light", TABLET],
      ["forced-colours", { forcedColors: "active" }],
    ]) {
      check(
        `axe finds nothing, and nothing is wider than the screen (${name})`,
        async ({ page, press }) => {
          await page.locator("article").waitFor();
          await page.waitForFunction(() => document.querySelector(".loading") === null);
          await press("Tab");
          await picture(page, `${kind}-${name}`);
          await axe(page, "selected");
          await press("h");
          await axe(page, "guideline");
          await press("Escape", "?");
          await picture(page, `${kind}-${name}-keys`);
          await axe(page, "keys");
          await press("Escape");
          const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(over <= 0, `the page is ${over} px too wide`);
          const small = await page.evaluate(() =>
            [...document.querySelectorAll("main button, header button")]
              .map((button) => [button.textContent, button.getBoundingClientRect()])
              .filter(([, { width, height }]) => width < 44 || height < 44)
              .map(([name]) => name),
          );
          assert.deepEqual(small, [], "targets of 44 px at least");
        },
        { options: { bypassCSP: true, ...options } },
      );
    }
  });
}

/** Lists of marks in an order of their own. */
function sorted(label) {
  const [name] = Object.keys(label).filter((key) => ["classes", "spans", "regions", "segments"].includes(key));
  return name === undefined ? label : { ...label, [name]: [...label[name]].map((one) => JSON.stringify(one)).sort() };
}
