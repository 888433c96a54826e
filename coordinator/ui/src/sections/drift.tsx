import type { Drift, DriftTest } from "../contract";
import { figure } from "../words";
import { Scroll, Section } from "./section";

/** Shades of the strip: an effect of this size or more has the darkest. */
const EFFECT_DARKEST = 0.6;
const SHADES = 5;
/** Sentences beside the table. */
const WORST_MAX = 5;

export function DriftSection({ drift }: { drift: Drift | null }) {
  const tests = drift?.tests ?? [];
  const sites = [...new Set(tests.map(({ site }) => site))];
  const features = byWorst(tests);
  return (
    <Section
      title="Drift"
      lead={`How far each feature’s distribution lies from the reference site, ${drift?.reference ?? ""}: effect ± deviation, 0 for none, 1 for nothing in common. A shade means that it holds after correction for the number of tests.`}
      empty={tests.length === 0 && "No two sites have released drift histograms yet."}
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
        <Worst tests={tests} reference={drift?.reference ?? ""} />
      </div>
    </Section>
  );
}

function Cell({ test }: { test: DriftTest | undefined }) {
  if (test === undefined) return <td class="soft">–</td>;
  const depth = Math.min(1, Math.max(0, test.effect) / EFFECT_DARKEST);
  const shade = test.drifted ? 1 + Math.min(SHADES - 1, Math.floor(depth * SHADES)) : 0;
  return (
    <td class={`shade-${shade}`} title={`adjusted p ${pText(test.p_adjusted)}`}>
      {figure(test.effect)} <span class="deviation">± {figure(test.effect_sd)}</span>
      {test.drifted && <span class="unseen"> drifted</span>}
    </td>
  );
}

function Worst({ tests, reference }: { tests: DriftTest[]; reference: string }) {
  const worst = tests
    .filter(({ drifted, worst_bin }) => drifted && worst_bin !== null)
    .sort((a, b) => b.effect - a.effect)
    .slice(0, WORST_MAX);
  return (
    <div>
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
    </div>
  );
}

function inWords({ site, feature, worst_bin }: DriftTest, reference: string) {
  if (worst_bin === null) return null;
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
