import { Section } from "./section";

export function LeavesSection() {
  return (
    <Section
      title="What leaves a site, and what never does"
      lead="Only noised, charged and ledgered releases leave a site; its items never do."
    >
      <div class="leaves">
        <div>
          <h4>Leaves</h4>
          <ul>
            <li>noised counts: agreement, calibration, drift, campaign progress</li>
            <li>noised updates of the model’s head, clipped per subject</li>
            <li>device facts in coarse buckets</li>
          </ul>
        </div>
        <div>
          <h4>Never leaves</h4>
          <ul>
            <li>items, texts, embeddings, labels or scores of single items</li>
            <li>names of people, files, patients or customers; free text</li>
            <li>any figure about items without noise, even how many wait</li>
          </ul>
        </div>
      </div>
    </Section>
  );
}
