import { isKnown, type Comparison, type Figure, type Judged, type Synthetic } from "./contract";
import { Scroll, Section } from "./parts";
import { integer, percent } from "./words";

export function SyntheticItems({ synthetic }: { synthetic: Synthetic }) {
  const { items, validated, waiting, made, real } = synthetic;
  return (
    <Section
      name="synthetic"
      title="Synthetic items"
      lead="What people say of synthetic and real items that come mixed, without a suggestion. A good generator’s items are taken for real as often as real ones, and labeled as surely. They count in no other figure here, and in nothing that leaves."
    >
      <Scroll label="Synthetic items beside real ones">
        <table>
          <thead>
            <tr>
              <th scope="col">Judged</th>
              <th scope="col" class="number">
                Synthetic
              </th>
              <th scope="col" class="number">
                Real
              </th>
            </tr>
          </thead>
          <tbody>
            <Row title="Items" made={integer(made.items)} real={integer(real.items)} />
            <Row title="Taken for real" made={share(made.looks_real)} real={share(real.looks_real)} />
            <Row title="Two people agree" made={same(made, "readers")} real={same(real, "readers")} />
            <Row title="Model and people agree" made={same(made, "model")} real={same(real, "model")} />
            <Row title="Generator and people agree" made={same(made, "generator")} real="" />
          </tbody>
        </table>
      </Scroll>
      <p class="note after">
        {integer(items)} synthetic items; {integer(validated)} judged, {integer(waiting)} waiting.
      </p>
    </Section>
  );
}

function Row({ title, made, real }: { title: string; made: string; real: string }) {
  return (
    <tr>
      <th scope="row">{title}</th>
      <td class="number">{made}</td>
      <td class="number">{real}</td>
    </tr>
  );
}

function same(judged: Judged, which: "readers" | "model" | "generator"): string {
  const { items, coefficients }: Comparison = judged[which];
  const last = coefficients.at(-1);
  return last === undefined ? "–" : `${share(last)} of ${integer(items)}`;
}

function share(figure: Figure): string {
  if (!isKnown(figure)) return "–";
  return `${percent(figure.value)} (${percent(figure.low)} to ${percent(figure.high)})`;
}
