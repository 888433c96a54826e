// Items to look at: labels that are probably wrong, and what to label next.

import type { LabelErrors, Next, Shown, Suspect, Task } from "./contract";
import { Bar, Nothing, Scroll, Section } from "./parts";
import * as state from "./state";
import { date, figure, integer, percent, plural } from "./words";

export function Suspects({ errors, classes }: { errors: LabelErrors; classes: string[] }) {
  const { labels, estimated, found, items } = errors;
  return (
    <Section
      name="errors"
      title="Labels that are probably wrong"
      lead="Confident learning compares each label of record with the prelabel that it answers. Least believable first: the bar is the probability that the model gave to the label."
      wide
    >
      {errors.undefined !== null ? (
        <Nothing>Not judged yet: {errors.undefined}.</Nothing>
      ) : items.length === 0 ? (
        <Nothing>Among {plural(labels, "label")} none stands out.</Nothing>
      ) : (
        <>
          <p class="note">
            About {integer(estimated)} of {plural(labels, "label")} may be wrong; {integer(found)} stand out
            {found > items.length && `, the first ${items.length} are shown`}.
          </p>
          <Scroll label="List of labels to check">
            <table class="items">
              <thead>
                <tr>
                  <th scope="col">Item</th>
                  <th scope="col">Label</th>
                  <th scope="col">The model says</th>
                  <th scope="col">Believable</th>
                  <th scope="col">Do</th>
                </tr>
              </thead>
              <tbody>
                {items.map((item) => (
                  <SuspectRow key={item.item} item={item} classes={classes} />
                ))}
              </tbody>
            </table>
          </Scroll>
        </>
      )}
    </Section>
  );
}

function SuspectRow({ item, classes }: { item: Suspect; classes: string[] }) {
  return (
    <tr>
      <Values item={item.item} values={item.values} />
      <td>
        <strong>{classes[item.label]}</strong>
        <span class="under">
          {item.by.join(", ")} · {date(item.labeled_at)}
        </span>
      </td>
      <td>
        <strong>{classes[item.suggested]}</strong>
        <span class="under">{percent(item.confidence)} sure</span>
      </td>
      <td class="number">
        <Bar share={item.quality} /> {percent(item.quality)}
      </td>
      <Actions item={item.item} queued={item.queued} />
    </tr>
  );
}

export function ToLabel({ next, classes }: { next: Next; classes: string[] }) {
  const { waiting, labels, items } = next;
  const lead =
    next.strategy === "typical"
      ? `With ${plural(labels, "label")} the items come first that stand for the most others (the typical ones of each group).`
      : "The closest calls first: the smallest distance between the model’s two likeliest classes. Near-duplicates share a task.";
  return (
    <Section name="next" title="Label next" lead={lead} wide>
      {next.undefined !== null ? (
        <Nothing>Nothing to choose: {next.undefined}.</Nothing>
      ) : (
        <>
          <p class="note">{plural(waiting, "item")} without a label; the {integer(items.length)} most useful are shown.</p>
          <Scroll label="List of items to label">
            <table class="items">
              <thead>
                <tr>
                  <th scope="col">Item</th>
                  <th scope="col">The model says</th>
                  <th scope="col">Margin</th>
                  <th scope="col">Waits for</th>
                  <th scope="col">Do</th>
                </tr>
              </thead>
              <tbody>
                {items.map((item) => (
                  <TaskRow key={item.item} item={item} classes={classes} />
                ))}
              </tbody>
            </table>
          </Scroll>
        </>
      )}
    </Section>
  );
}

function TaskRow({ item, classes }: { item: Task; classes: string[] }) {
  return (
    <tr>
      <Values item={item.item} values={item.values} />
      <td>
        <strong>{classes[item.suggested]}</strong>
        <span class="under">{percent(item.confidence)} sure</span>
      </td>
      <td class="number">
        <Bar share={item.margin} /> {figure(item.margin)}
      </td>
      <td>
        {item.queue === "expert" ? "an expert" : "a first reader"}
        {item.alike > 0 && <span class="under">{plural(item.alike, "more like it", "more like it")}</span>}
      </td>
      <Actions item={item.item} queued={item.queue === "expert"} />
    </tr>
  );
}

function Values({ item, values }: { item: string; values: Shown[] }) {
  return (
    <th scope="row">
      <span class="preview">
        {values.map(({ title, value, unit }) => (
          <span key={title}>
            <span class="soft">{title}</span> {value} {unit}
          </span>
        ))}
      </span>
      <code class="under">{item.slice(0, 8)}</code>
    </th>
  );
}

function Actions({ item, queued }: { item: string; queued: boolean }) {
  const key = state.sentBack.value.get(item);
  const problem = state.problems.value.get(item);
  const sent = key !== undefined;
  return (
    <td class="do">
      <span class="pair">
        <button type="button" onClick={() => state.review(item)}>
          Review
        </button>
        {sent && key !== null ? (
          <button type="button" class="quiet" onClick={() => state.takeBack(item)}>
            Undo
          </button>
        ) : queued || sent ? (
          <span class="tag">with the experts</span>
        ) : (
          <button type="button" class="quiet" onClick={() => state.sendBack(item)}>
            To an expert
          </button>
        )}
      </span>
      {sent && <span class="under">sent to the experts</span>}
      <span role="alert" class="under problem">
        {problem}
      </span>
    </td>
  );
}
