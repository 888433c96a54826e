import type { Site } from "../contract";
import { figure } from "../words";
import { Section } from "./section";

export function BudgetSection({ sites }: { sites: Site[] }) {
  const most = Math.max(...sites.map(({ epsilon }) => epsilon), 0);
  return (
    <Section
      title="Privacy spent, by site"
      lead="ε per subject, as charged for everything a site ever released. What a site allows is its steward’s business: the agent refuses before its limit is passed."
      empty={sites.length === 0 && "Nothing was released yet."}
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
                <span class="soft">at δ {power(site.delta)}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

/** `0.000001` as `10⁻⁶`. */
function power(value: number): string {
  const exponent = Math.log10(value);
  if (!Number.isInteger(exponent)) return value.toExponential(1).replace("-", "−");
  const digits = [...String(-exponent)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]);
  return `10⁻${digits.join("")}`;
}
