import type { Labels } from "../contract";
import { figure } from "../words";
import { Scroll, Section } from "./section";

export function LabelsSection({ labels, classes }: { labels: Labels | null; classes: string[] }) {
  const sites = labels?.sites ?? [];
  return (
    <Section
      title="Labels"
      lead="Estimated labels by class from the releases, ± one deviation of the privacy noise. Small counts may come out below zero: they are shown as they are."
      empty={sites.length === 0 && "No site has released label statistics yet."}
    >
      <Scroll label="Labels by site and class">
        <table>
          <thead>
            <tr>
              <th scope="col">Site</th>
              {classes.map((name) => (
                <th scope="col" class="number" key={name}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {sites.map(({ site, totals }) => (
              <tr key={site}>
                <th scope="row">{site}</th>
                {classes.map((name, index) => {
                  const total = totals.find((entry) => entry.class === index);
                  return (
                    <td class="number" key={name}>
                      {total === undefined ? (
                        "–"
                      ) : (
                        <>
                          {figure(total.count, 0)} <span class="soft">± {figure(total.sd, 0)}</span>
                        </>
                      )}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}
