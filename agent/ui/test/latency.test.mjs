// How long a decision takes until the next card is painted, for each kind of label in one run. Printed, not
// asserted: the bar of 50 ms is for a machine that does nothing else (see "Speed" in the issue of the page).

import { test } from "node:test";
import { launch, openPage, skip } from "./browser.mjs";
import { FakeAgent, makeItems } from "./fake-agent.mjs";
import { prepareKind } from "./kinds-data.mjs";
import { decisionToPaint, signIn } from "./steps.mjs";

const KINDS = ["class", "classes", "spans", "regions", "segments", "preference"];
const DECISIONS = 60;
const ROUNDS = 3;

test("decision to next card painted, kind by kind", { skip }, async () => {
  const browser = await launch();
  const times = new Map(KINDS.map((kind) => [kind, []]));
  // The kinds take turns, so that a busy moment of the machine falls on all of them.
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const kind of KINDS) times.get(kind).push(...(await measured(browser, kind)));
  }
  await browser.close();
  for (const [kind, all] of times) {
    all.sort((a, b) => a - b);
    const at = (share) => all[Math.floor(share * (all.length - 1))].toFixed(1);
    console.log(`${kind.padEnd(10)} p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, of ${all.length} decisions`);
  }
});

async function measured(browser, kind) {
  const agent = new FakeAgent(makeItems(DECISIONS));
  prepareKind(agent, kind, { count: DECISIONS, samples: 100_000 });
  await agent.start();
  const { page, context } = await openPage(browser, agent.address);
  await signIn(page);
  const number = kind === "class" ? (item) => `for item ${item}.` : (item) => `Item${item}`;
  const found = [];
  for (let item = 1; item <= DECISIONS / ROUNDS; item += 1) {
    await page.locator("article", { hasText: number(item) }).waitFor();
    // A person looks at an item for a moment; meanwhile the next ones are fetched.
    await page.waitForTimeout(150);
    found.push(await decisionToPaint(page, "a"));
  }
  await context.close();
  await agent.stop();
  return found;
}
