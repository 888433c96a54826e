// Tests of one kind of label: a page in a real browser, signed in to an agent with a project of that kind.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, openPage, skip } from "./browser.mjs";
import { FakeAgent } from "./fake-agent.mjs";
import { prepareKind } from "./kinds-data.mjs";
import { signIn } from "./steps.mjs";

/** Calls `tests` with a `check` for tests of a kind; whatever the page complained about fails one. */
export function describeKind(kind, tests) {
  describe(kind, { skip }, () => {
    let browser;
    before(async () => {
      browser = await launch();
    });
    after(() => browser.close());

    tests((name, run, { options, token, ...rest } = {}) => {
      test(`${kind}: ${name}`, async () => {
        const agent = new FakeAgent([]);
        prepareKind(agent, kind, rest);
        await agent.start();
        const opened = await openPage(browser, agent.address, options);
        try {
          await signIn(opened.page, token);
          await card(opened.page, 1);
          await run({ agent, press: presser(opened.page), ...opened });
          assert.deepEqual(opened.complaints, []);
        } finally {
          await opened.context.close();
          await agent.stop();
        }
      });
    });
  });
}

export function card(page, number) {
  return page.locator("article", { hasText: `Item${number}` }).waitFor({ timeout: 8_000 });
}

export function presser(page) {
  return async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
}

/** One list of places a step: fingers down, moved, …, up. */
export function toucher(session) {
  return async (...steps) => {
    for (const [step, places] of steps.entries()) {
      await session.send("Input.dispatchTouchEvent", {
        type: step === 0 ? "touchStart" : "touchMove",
        touchPoints: places.map(([x, y], id) => ({ x, y, id })),
      });
    }
    await session.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  };
}

export async function move(page, from, to) {
  await page.mouse.move(...from);
  await page.mouse.down();
  await page.mouse.move((from[0] + to[0]) / 2, (from[1] + to[1]) / 2);
  await page.mouse.move(...to);
  await page.mouse.up();
}

/** Places on the surface in percent of its width and height. */
export async function surface(page, selector = ".scan[data-surface]") {
  const { x, y, width, height } = await page.locator(selector).boundingBox();
  return (across, down) => [x + (across / 100) * width, y + (down / 100) * height];
}
