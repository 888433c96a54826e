import { isKnown, type Comparison, type Report } from "./contract";
import { COEFFICIENT, Interval, Scale } from "./interval";
import { Scroll, Section } from "./parts";
import { figure, integer, range } from "./words";

export function Agreement({ report }: { report: Report }) {
  const { readers, model } = report.agreement;
  return (
    <Section
      name="agreement"
      title="Agreement"
      lead="0 is chance, 1 is perfect; bars are 95 % intervals. Readers are two people of whom the second does not see what the first one said; experts’ decisions do not count."
    >
      <Scroll label="Coefficients of agreement">
        <table class="dots">
          <thead>
            <tr>
              <th scope="col">Coefficient</th>
              <th scope="col">
                <span class="unseen">Plot</span>
                <Scale axis={COEFFICIENT} />
              </th>
              <th scope="col" class="number">
                Value
              </th>
            </tr>
          </thead>
          <Rows title="Between readers" comparison={readers} />
          <Rows title="Model and people" comparison={model} />
        </table>
      </Scroll>
    </Section>
  );
}

function Rows({ title, comparison }: { title: string; comparison: Comparison }) {
  const { items, coefficients } = comparison;
  const reason = coefficients.every((entry) => !isKnown(entry)) ? coefficients[0] : undefined;
  return (
    <tbody>
      <tr class="group">
        <th scope="colgroup" colSpan={3}>
          {title} <span class="soft">· {integer(items)} items</span>
        </th>
      </tr>
      {reason !== undefined && !isKnown(reason) ? (
        <tr>
          <td colSpan={3} class="soft">
            No figure yet: {reason.undefined}.
          </td>
        </tr>
      ) : (
        coefficients.map((entry) => (
          <tr key={entry.name}>
            <th scope="row">{entry.name}</th>
            {isKnown(entry) ? (
              <>
                <td>
                  <Interval axis={COEFFICIENT} {...entry} />
                </td>
                <td class="number">
                  <strong>{figure(entry.value)}</strong> <span class="soft">{range(entry)}</span>
                </td>
              </>
            ) : (
              <td colSpan={2} class="soft">
                {entry.undefined}
              </td>
            )}
          </tr>
        ))
      )}
    </tbody>
  );
}
