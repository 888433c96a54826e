// The dashboard in a real browser: what it says about figures, their absence, and a coordinator that is away.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { launch, openPage, skip } from "./browser.mjs";
import { FakeCoordinator } from "./fake-coordinator.mjs";
import { EMPTY, FULL, ODD, QUIET } from "./figures.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const SECTIONS = [
  "Sites",
  "Privacy spent, by site",
  "What leaves a site, and what never does",
  "Training rounds",
  "Agreement with people",
  "Calibration",
  "Drift",
  "Campaigns",
  "Labels",
];

describe("dashboard", { skip }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser.close());

  /** A page over a coordinator of its own; whatever it complained about fails the test. */
  function check(name, overview, run, options) {
    test(name, async () => {
      const coordinator = await new FakeCoordinator(overview).start();
      const opened = await openPage(browser, coordinator.address, options);
      try {
        await opened.page.getByRole("heading", { name: overview.federation }).waitFor();
        await run({ coordinator, ...opened });
        assert.deepEqual(opened.complaints, []);
      } finally {
        await opened.context.close();
        await coordinator.stop();
      }
    });
  }

  check("every section shows its figures with their uncertainty", FULL, async ({ page }) => {
    for (const name of SECTIONS) {
      assert.equal(await page.getByRole("region", { name, exact: true }).count(), 1, name);
    }
    const said = async (name) => (await page.getByRole("region", { name, exact: true }).innerText()).replace(/\s+/g, " ");
    assert.match(await said("Sites"), /va-long-beach last seen 47 min ago/);
    assert.match(await said("Privacy spent, by site"), /hungary ε 1\.59 at δ 10⁻⁶/);
    assert.match(await said("Agreement with people"), /switzerland 0\.11 −0\.13 to 0\.35/);
    assert.match(await said("Drift"), /cholesterol 0\.04 ± 0\.03 1\.71 ± 0\.04 drifted/);
    assert.match(await said("Drift"), /switzerland, cholesterol: “missing” holds 86 ± 4 points more than at cleveland/);
    assert.match(await said("Campaigns"), /switzerland 71 ± 6 1 ± 3 52 ± 3 18 ± 3/);
    assert.match(await said("Campaigns"), /va-long-beach has not answered/);
    assert.match(await said("Labels"), /switzerland 5 ± 5 77 ± 5/);
    assert.match(await said("Training rounds"), /Attached by hand: held-out patients/);
    assert.equal(await page.getByRole("img", { name: /^cleveland from 80 % to 82 %/ }).count(), 1);
    assert.equal(await page.getByRole("img", { name: /^hungary\. confidence 0\.50 to 0\.56: right/ }).count(), 1);
  });

  check("intervals are drawn where their figures are", FULL, async ({ page }) => {
    const drawn = await page.locator(".whisker").evaluateAll((charts) =>
      charts.map((chart) => {
        const at = (mark, attribute) => Number(chart.querySelector(mark).getAttribute(attribute));
        return { low: at(".error", "x1"), high: at(".error", "x2"), value: at("circle", "cx") };
      }),
    );
    const kappas = FULL.projects[0].agreement.sites.map(({ kappa }) => kappa);
    assert.ok(drawn.length >= kappas.length);
    const perUnit = (drawn[0].value - drawn[1].value) / (kappas[0].value - kappas[1].value);
    kappas.forEach((kappa, index) => {
      const { low, high, value } = drawn[index];
      assert.ok(Math.abs((high - low) / perUnit - (kappa.high - kappa.low)) < 0.005);
      assert.ok(Math.abs((value - drawn[0].value) / perUnit - (kappa.value - kappas[0].value)) < 0.005);
    });
  });

  check("without an evaluation there is no chart of accuracy", bare(), async ({ page }) => {
    await page.getByRole("region", { name: "Training rounds" }).getByText("summed").first().waitFor();
    assert.equal(await page.getByText("Accuracy by round").count(), 0);
  });

  check("an empty federation says what to do first", EMPTY, async ({ page }) => {
    await page.getByText("insitu-coordinator site add NAME").waitFor();
    await page.getByText("insitu-coordinator project create").waitFor();
  });

  check("a quiet federation has words for everything that is missing", QUIET, async ({ page }) => {
    for (const words of [
      "never called",
      "No model published yet",
      "No round yet",
      "No site has released a window of statistics yet",
      "No site has released a calibration histogram yet",
      "No two sites have released histograms yet",
      "No campaign yet",
      "No site has released label statistics yet",
    ]) {
      await page.getByText(words).first().waitFor();
    }
    const text = await page.locator("body").innerText();
    assert.doesNotMatch(text, /NaN|undefined|Infinity|null/);
  });

  check("too little data and hostile names are shown as they are", ODD, async ({ page }) => {
    await page.getByRole("heading", { name: "<img src=x onerror=alert(1)>" }).waitFor();
    await page.getByText("not enough data").first().waitFor();
    await page.getByText("hungary has released no histograms yet").waitFor();
    assert.equal(await page.locator("main img").count(), 0);
  });

  check("new figures appear by themselves, old ones are marked", FULL, async (world) => {
    const { coordinator, page } = world;
    coordinator.overview = { ...FULL, federation: "renamed" };
    await page.getByRole("heading", { name: "renamed" }).waitFor({ timeout: 10_000 });
    coordinator.mode = "away";
    await page.getByText("What you see is the last it sent").waitFor({ timeout: 10_000 });
    assert.equal(await page.getByRole("heading", { name: "renamed" }).count(), 1);
    coordinator.mode = "up";
    await page.getByText("What you see is the last it sent").waitFor({ state: "detached", timeout: 10_000 });
  });

  check(
    "nothing runs out of a narrow screen",
    FULL,
    async ({ page }) => {
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(excess <= 0, `${excess} px too wide`);
    },
    { viewport: { width: 390, height: 800 } },
  );

  for (const colorScheme of ["light", "dark"]) {
    for (const [name, overview] of Object.entries({ FULL, QUIET })) {
      check(
        `axe finds nothing (${name}, ${colorScheme})`,
        overview,
        async ({ page }) => {
          await page.evaluate(await readFile(AXE, "utf8"));
          const { violations } = await page.evaluate(() => window.axe.run());
          const found = violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
          assert.deepEqual(found, []);
        },
        // A page that forbids injected script is the point; axe itself has to be injected.
        { bypassCSP: true, colorScheme },
      );
    }
  }
});

/** The full federation without anything attached by hand. */
function bare() {
  const copy = structuredClone(FULL);
  copy.projects[0].runs[0].start = null;
  for (const round of copy.projects[0].runs[0].rounds) round.evaluation = null;
  return copy;
}
