// How long a decision takes until the next card is painted, for each kind of label in one run. Printed, not
// asserted: the bar (50 ms at the 95th percentile, and at the median of a machine four times slower) is for a
// machine that does nothing else. `ROUNDS=5 node --test test/latency.test.mjs` measures longer, and
// `COMPARE=FOLDER` another built page in turns with this one: on a busy machine only their ratio says something.

import { test } from "node:test";
import { launch, openPage, skip } from "./browser.mjs";
import { FakeAgent, makeItems } from "./fake-agent.mjs";
import { prepareKind } from "./kinds-data.mjs";
import { decisionToPaint, signIn } from "./steps.mjs";

const KINDS = ["class", "classes", "spans", "regions", "segments", "preference"];
/** Decisions of each kind in a round. */
const DECISIONS = 20;
const ROUNDS = Number(process.env.ROUNDS ?? 1);
/** A folder like `dist`. */
const COMPARE = process.env.COMPARE;
/** How many times slower the processor is made. */
const SLOWER = [1, 4];

test("decision to next card painted, kind by kind", { skip }, async () => {
  const browser = await launch();
  const times = new Map(SLOWER.flatMap((rate) => KINDS.map((kind) => [labelOf(kind, rate), { here: [], there: [] }])));
  // The kinds take turns, so that a busy moment of the machine falls on all of them.
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const rate of SLOWER) {
      for (const kind of KINDS) {
        const { here, there } = times.get(labelOf(kind, rate));
        if (COMPARE) there.push(...(await measured(browser, kind, rate, COMPARE)));
        here.push(...(await measured(browser, kind, rate)));
      }
    }
  }
  await browser.close();
  for (const [what, { here, there }] of times) {
    const [p50, p95] = [0.5, 0.95].map((share) => quantile(here, share));
    const beside = there.length === 0 ? "" : `; ${COMPARE} p50 ${quantile(there, 0.5).toFixed(1)} ms, ratio ${(p50 / quantile(there, 0.5)).toFixed(2)}`;
    console.log(`${what.padEnd(22)} p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, of ${here.length} decisions${beside}`);
  }
});

function quantile(times, share) {
  return times.sort((a, b) => a - b)[Math.floor(share * (times.length - 1))];
}

async function measured(browser, kind, rate, dist) {
  const agent = new FakeAgent(makeItems(DECISIONS + 1));
  if (dist !== undefined) agent.dist = dist;
  prepareKind(agent, kind, { count: DECISIONS + 1, samples: 100_000 });
  await agent.start();
  const { page, context } = await openPage(browser, agent.address);
  await signIn(page);
  await (await context.newCDPSession(page)).send("Emulation.setCPUThrottlingRate", { rate });
  const number = kind === "class" ? (item) => `for item ${item}.` : (item) => `Item${item}`;
  const found = [];
  for (let item = 1; item <= DECISIONS; item += 1) {
    await page.locator("article", { hasText: number(item) }).waitFor();
    // A person looks at an item for a moment; meanwhile the next ones are fetched.
    await page.waitForTimeout(150);
    found.push(await decisionToPaint(page, "a"));
  }
  await context.close();
  await agent.stop();
  return found;
}

function labelOf(kind, rate) {
  return rate === 1 ? kind : `${kind}, ${rate} × slower`;
}
