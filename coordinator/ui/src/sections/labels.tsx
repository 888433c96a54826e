import type { Labels } from "../contract";
import { Noised } from "./noised";
import { Scroll, Section } from "./section";

export function LabelsSection({ labels, classes }: { labels: Labels; classes: string[] }) {
  const { sites } = labels;
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
                {totals.map(({ class: index, count, sd }) => (
                  <td class="number" key={index}>
                    <Noised count={count} sd={sd} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}
