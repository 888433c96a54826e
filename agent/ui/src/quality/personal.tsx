// The head of the site's own that makes its prelabels, mixed with the bundle's.

import type { Personal } from "./contract";
import { Bar, Nothing, Section } from "./parts";
import { figure, integer, percent, plural } from "./words";

export function OwnHead({ personal }: { personal: Personal }) {
  const { share, lessons, held_out: heldOut, accuracy_global: alone, accuracy_personal: mixed } = personal;
  const known = alone !== null && mixed !== null;
  return (
    <Section
      name="personal"
      title="A head of this site’s own"
      lead="It is fitted to the corrections of this site and mixed with the model’s head, by the weight with which most held-out items are right. It never leaves."
      wide
    >
      {!known ? (
        <Nothing>Not judged yet: no corrected item is held out.</Nothing>
      ) : (
        <dl class="head">
          <div>
            <dt>Weight</dt>
            <dd>
              <Bar share={share} /> <strong>{percent(share)}</strong>{" "}
              <span class="soft">{share > 0 ? `from ${plural(lessons, "correction")}` : "it is no better: the model serves alone"}</span>
            </dd>
          </div>
          <div>
            <dt>Right, the model alone</dt>
            <dd>
              <Bar share={alone} /> <strong>{percent(alone)}</strong> <span class="soft">of {integer(heldOut)} held out</span>
            </dd>
          </div>
          <div>
            <dt>Right, as it serves</dt>
            <dd>
              <Bar share={mixed} /> <strong>{percent(mixed)}</strong> <span class="soft">{gain(mixed - alone)}</span>
            </dd>
          </div>
        </dl>
      )}
      {known && (
        <p class="note after">The weight was chosen by the same held-out items, which flatters it a little.</p>
      )}
    </Section>
  );
}

function gain(difference: number): string {
  return difference === 0 ? "no difference" : `${difference > 0 ? "+" : ""}${figure(difference * 100, 1)} points`;
}
