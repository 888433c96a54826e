// What tests of every view do: sign in, wait until all is saved, look for faults of accessibility.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
/** A folder for pictures of the page, to look at. */
const PICTURES = process.env.PICTURES;

export const TOKEN = "ann-token";
export const TABLET = { viewport: { width: 820, height: 1180 }, hasTouch: true };

export async function signIn(page, token = TOKEN) {
  const field = page.getByLabel("Your token");
  await page.getByText("Use a token").waitFor();
  if (!(await field.isVisible())) await page.getByText("Use a token").click();
  await field.fill(token);
  await page.keyboard.press("Enter");
}

/** Nothing is unconfirmed any more, in this person's name or another's. */
export function saved(page) {
  return page.waitForFunction(
    () => !Object.keys(localStorage).some((name) => name.startsWith("insitu.unconfirmed/")),
  );
}

/** Needs a page that lets a script be injected: `bypassCSP`. */
export async function axe(page, where) {
  await page.evaluate(await readFile(AXE, "utf8"));
  const { violations } = await page.evaluate(() => window.axe.run());
  const found = violations.map(({ id, nodes }) => `${where}: ${id}: ${nodes[0].html}`);
  assert.deepEqual(found, []);
}

export async function picture(page, name) {
  if (PICTURES) await page.screenshot({ path: `${PICTURES}/${name}.png`, fullPage: true });
}

/** Does something inside the page that decides, and waits for the frame that shows another card. */
export function decisionToPaint(page, key) {
  return page.evaluate(
    (key) =>
      new Promise((resolve) => {
        const number = () => document.querySelector("article")?.textContent;
        const before = number();
        const from = performance.now();
        document.dispatchEvent(new KeyboardEvent("keydown", { key }));
        const look = () => {
          if (number() === before) {
            requestAnimationFrame(look);
            return;
          }
          // A task queued in a frame runs after that frame was painted.
          const channel = new MessageChannel();
          channel.port1.onmessage = () => resolve(performance.now() - from);
          channel.port2.postMessage(null);
        };
        requestAnimationFrame(look);
      }),
    key,
  );
}
