import type { Site } from "../contract";
import { figure } from "../words";
import { Section } from "./section";

export function BudgetSection({ sites }: { sites: Site[] }) {
  const most = Math.max(...sites.map(({ epsilon }) => epsilon), 0);
  return (
    <Section
      title="Privacy spent, by site"
      lead="ε as charged for everything a site ever released, per subject. What a site allows is its steward’s business: the agent refuses before its limit is passed."
      empty={sites.length === 0 && "Nothing was released yet."}
    >
      <table class="bars">
        <thead class="unseen">
          <tr>
            <th scope="col">Site</th>
            <th scope="col">Share of the largest</th>
            <th scope="col">ε</th>
          </tr>
        </thead>
        <tbody>
          {sites.map((site) => (
            <tr key={site.site}>
              <th scope="row">{site.site}</th>
              <td class="wide">
                <span class="bar" aria-hidden="true">
                  <span style={{ width: `${most === 0 ? 0 : (100 * site.epsilon) / most}%` }} />
                </span>
              </td>
              <td class="number">
                ε {figure(site.epsilon)}{" "}
                <span class="soft">at δ {site.delta.toExponential(0).replace("-", "−")}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}
