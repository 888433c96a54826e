import type { Labels } from "../contract";
import { Noised } from "./noised";
import { Scroll, Section } from "./section";

export function LabelsSection({ labels }: { labels: Labels }) {
  const { sites, classes } = labels;
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
              <th scope="col" class="number">
                All
              </th>
            </tr>
          </thead>
          <tbody>
            {sites.map(({ site, by_class, sd_by_class, total, sd_total }) => (
              <tr key={site}>
                <th scope="row">{site}</th>
                {by_class.map((count, index) => (
                  <td class="number" key={index}>
                    <Noised count={count} sd={sd_by_class} />
                  </td>
                ))}
                <td class="number">
                  <Noised count={total} sd={sd_total} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}
