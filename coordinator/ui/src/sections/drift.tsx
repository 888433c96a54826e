import type { Drift, DriftTest } from "../contract";
import { count, figure } from "../words";
import { Scroll, Section } from "./section";

/** Where each darker shade of the strip begins; the effect is on the scale of the stability index. */
const SHADES_FROM = [0.1, 0.25, 0.5, 1];
/** Sentences beside the table. */
const WORST_MAX = 5;

export function DriftSection({ drift }: { drift: Drift | null }) {
  const tests = drift?.tests ?? [];
  const sites = [...new Set(tests.map(({ site }) => site))];
  const features = byWorst(tests);
  return (
    <Section
      title="Drift"
      lead={`How far each feature’s distribution lies from the reference site, ${drift?.reference ?? ""}: effect ± deviation. 0 is none, from 0.25 it is large, as with the population stability index. A shade means that it holds after correction for the number of tests.`}
      empty={
        tests.length === 0 && (drift?.undefined[0]?.reason ?? "No two sites have released histograms yet.")
      }
    >
      <div class="drift">
        <Scroll label="Drift by feature and site">
          <table class="strip">
            <thead>
              <tr>
                <th scope="col">Feature</th>
                {sites.map((site) => (
                  <th scope="col" key={site}>
                    {site}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {features.map((feature) => (
                <tr key={feature}>
                  <th scope="row">{feature}</th>
                  {sites.map((site) => (
                    <Cell
                      key={site}
                      test={tests.find((test) => test.site === site && test.feature === feature)}
                    />
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
        <div>
          <Worst tests={tests} reference={drift?.reference ?? ""} />
          <NotCompared missing={drift?.undefined ?? []} />
        </div>
      </div>
    </Section>
  );
}

function Cell({ test }: { test: DriftTest | undefined }) {
  if (test === undefined) return <td class="soft">–</td>;
  const depth = SHADES_FROM.filter((from) => test.effect >= from).length;
  const shade = test.drifted ? 1 + depth : 0;
  return (
    <td class={`shade-${shade}`} title={`adjusted p ${pText(test.p_adjusted)}`}>
      {figure(test.effect)} <span class="deviation">± {figure(test.effect_sd)}</span>
      {test.drifted && <span class="unseen"> drifted</span>}
    </td>
  );
}

function Worst({ tests, reference }: { tests: DriftTest[]; reference: string }) {
  const worst = tests
    .filter(({ drifted }) => drifted)
    .sort((a, b) => b.effect - a.effect)
    .slice(0, WORST_MAX);
  return (
    <>
      <h4>Where it shows most</h4>
      {worst.length === 0 ? (
        <p class="empty">No site differs from {reference} beyond noise.</p>
      ) : (
        <ul class="plain">
          {worst.map((test) => (
            <li key={`${test.site} ${test.feature}`}>{inWords(test, reference)}</li>
          ))}
        </ul>
      )}
    </>
  );
}

function NotCompared({ missing }: { missing: Drift["undefined"] }) {
  if (missing.length === 0) return null;
  return (
    <details>
      <summary>{count(missing.length, "comparison")} without enough data</summary>
      <ul class="plain">
        {missing.map(({ site, feature, reason }) => (
          <li key={`${site} ${feature}`}>
            {site}, {feature}: {reason}.
          </li>
        ))}
      </ul>
    </details>
  );
}

function inWords({ site, feature, worst_bin }: DriftTest, reference: string) {
  const points = figure(Math.abs(worst_bin.excess) * 100, 0);
  return (
    <>
      <strong>
        {site}, {feature}:
      </strong>{" "}
      “{worst_bin.title}” holds {points} ± {figure(worst_bin.sd * 100, 0)} points{" "}
      {worst_bin.excess > 0 ? "more" : "less"} than at {reference}.
    </>
  );
}

/** Features, the one with the largest certain drift first. */
function byWorst(tests: DriftTest[]): string[] {
  const worst = new Map<string, number>();
  for (const { feature, drifted, effect } of tests) {
    const here = drifted ? effect : effect - 1;
    worst.set(feature, Math.max(worst.get(feature) ?? -2, here));
  }
  return [...worst].sort(([, a], [, b]) => b - a).map(([feature]) => feature);
}

function pText(p: number): string {
  return p < 0.001 ? "below 0.001" : figure(p, 3);
}
