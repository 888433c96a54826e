import { isKnown, type Report, type Score } from "./contract";
import { Interval, Scale, SHARE } from "./interval";
import { Nothing, Scroll, Section } from "./parts";
import { integer, percent, plural } from "./words";

export function People({ report }: { report: Report }) {
  const { people, shared, disputed, undefined: reason } = report.people;
  return (
    <Section
      name="people"
      title="Annotators"
      lead="How often each person’s label is the consensus (Dawid–Skene) of everybody who labeled the item, where an expert’s decision is the truth. Only items that two or more people labeled count, and nobody is measured by their own decisions."
    >
      {reason !== null && <Nothing>No consensus yet: {reason}.</Nothing>}
      {people.length === 0 ? (
        <Nothing>Nobody has labeled anything yet.</Nothing>
      ) : (
        <Scroll label="Scores of annotators">
          <table class="dots people">
            <thead>
              <tr>
                <th scope="col">Person</th>
                <th scope="col">
                  <span class="unseen">Plot</span>
                  <Scale axis={SHARE} />
                </th>
                <th scope="col" class="number">
                  Agrees
                </th>
                <th scope="col" class="number">
                  Labels
                </th>
              </tr>
            </thead>
            <tbody>
              {people.map((score) => (
                <Row key={score.name} score={score} classes={report.classes} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {shared > 0 && (
        <p class="note after">
          {plural(shared, "shared item")}; on {integer(disputed)} of them people differ and no expert has decided yet.
        </p>
      )}
    </Section>
  );
}

function Row({ score, classes }: { score: Score; classes: string[] }) {
  const { agreement } = score;
  return (
    <tr>
      <th scope="row">
        {score.name} <span class="soft">{score.role}</span>
        <Habit score={score} classes={classes} />
      </th>
      {isKnown(agreement) ? (
        <>
          <td>
            <Interval axis={SHARE} {...agreement} />
          </td>
          <td class="number">
            <strong>{percent(agreement.value)}</strong>{" "}
            <span class="soft">
              {percent(agreement.low)} to {percent(agreement.high)}
            </span>
          </td>
        </>
      ) : (
        <td colSpan={2} class="soft">
          {agreement.undefined}
        </td>
      )}
      <td class="number">{integer(score.labels)}</td>
    </tr>
  );
}

/** What a person most often says instead. */
function Habit({ score, classes }: { score: Score; classes: string[] }) {
  const wrong = score.matrix.filter(([row, column]) => row !== column);
  const [most] = wrong.sort((a, b) => b[2] - a[2]);
  if (most === undefined) return null;
  const [truth, said, count] = most;
  return (
    <span class="habit">
      “{classes[said]}” where it is “{classes[truth]}”: {count}×
    </span>
  );
}
