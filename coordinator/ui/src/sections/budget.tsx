import type { Budget, SiteBudget } from "../contract";
import { count, figure } from "../words";
import { Section } from "./section";

export function BudgetSection({ budget }: { budget: Budget }) {
  const most = Math.max(...budget.sites.map(({ epsilon }) => epsilon), 0);
  return (
    <Section
      title="Privacy spent, by site"
      lead={`ε per subject, at δ = ${power(budget.delta)}, as charged for everything received. What a site allows is its steward’s business: the agent refuses before its limit is passed.`}
      empty={budget.sites.length === 0 && "No site has released anything yet."}
    >
      <table class="bars">
        <thead class="unseen">
          <tr>
            <th scope="col">Site</th>
            <th scope="col">Share of the largest</th>
            <th scope="col">Epsilon</th>
          </tr>
        </thead>
        <tbody>
          {budget.sites.map((site) => (
            <tr key={site.site}>
              <th scope="row">{site.site}</th>
              <td class="wide">
                <span class="bar" aria-hidden="true">
                  <span style={{ width: `${most === 0 ? 0 : (100 * site.epsilon) / most}%` }} />
                </span>
                <span class="soft small">{kinds(site)}</span>
              </td>
              <td class="number">ε {figure(site.epsilon)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

/** `2 calibration, 5 update`: what was released, whatever the project. */
function kinds({ charges }: SiteBudget): string {
  const releases = new Map<string, number>();
  for (const charge of charges) {
    releases.set(charge.kind, (releases.get(charge.kind) ?? 0) + charge.releases);
  }
  return [...releases].map(([kind, times]) => count(times, kind, kind)).join(", ");
}

/** `0.000001` as `10⁻⁶`. */
function power(value: number): string {
  const exponent = Math.log10(value);
  if (!Number.isInteger(exponent)) return value.toExponential(1).replace("-", "−");
  const digits = [...String(-exponent)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]);
  return `10⁻${digits.join("")}`;
}
