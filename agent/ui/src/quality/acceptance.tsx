// What prelabels have earned: the exact bound on their errors, class by class, against what the steward allows.

import type { Acceptance, ClassStanding, Demands, Report } from "./contract";
import { at, type Axis, HEIGHT, MARGIN, Scale } from "./interval";
import { Nothing, Scroll, Section } from "./parts";
import { date, figure, finePercent, integer, plural } from "./words";

/** The plot ends at so many times the errors that are allowed. */
const SHOWN_TIMES = 5;
const WIDTH = 260;
const ARROW = 6;

const WITHOUT: Record<string, string> = {
  nothing: "Nothing is: people read every item of this project. The steward’s settings say nothing of acceptance.",
  assumed: "Whatever the model is sure enough of is, because the steward’s settings assume that it is right. Nothing is audited.",
};

export function Accepted({ report: { acceptance, classes } }: { report: Report }) {
  const { demands } = acceptance;
  return (
    <Section
      name="acceptance"
      title="Accepted without a person"
      lead={demands === null ? "Whether prelabels stand without anybody looking at them." : leadOf(demands)}
      wide
    >
      {demands === null ? (
        <Nothing>{WITHOUT[acceptance.mode]}</Nothing>
      ) : (
        <Standings demands={demands} standings={standings(acceptance, classes)} />
      )}
    </Section>
  );
}

function leadOf({ error_max: most, confidence }: Demands): string {
  return (
    `Of what is accepted in a class at most ${finePercent(most)} may be wrong, with ${finePercent(confidence)} certainty. ` +
    "A share of what could be accepted is read blind instead: the dot is the share of errors found there, the bar " +
    "reaches to what it may be at most. A class is accepted while its bar ends before the line."
  );
}

/** Every class, also those of which nothing was audited yet. */
function standings({ classes: known }: Acceptance, classes: string[]): ClassStanding[] {
  const unknown = { state: "nothing", threshold: null, audited: 0, errors: 0, bound: 1, off_at: null } as const;
  return classes.map((name) => known.find((standing) => standing.class === name) ?? { class: name, ...unknown });
}

function Standings({ demands, standings }: { demands: Demands; standings: ClassStanding[] }) {
  return (
    <Scroll label="What each class has earned">
      <table class="dots earned">
        <thead>
          <tr>
            <th scope="col">Class</th>
            <th scope="col">
              <span class="unseen">Plot</span>
              <Scale axis={axisTo(demands.error_max)} label={finePercent} />
            </th>
            <th scope="col" class="number">
              Wrong at most
            </th>
            <th scope="col" class="number">
              Errors found
            </th>
            <th scope="col">Now</th>
          </tr>
        </thead>
        <tbody>
          {standings.map((standing) => (
            <Row key={standing.class} standing={standing} demands={demands} />
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Row({ standing, demands }: { standing: ClassStanding; demands: Demands }) {
  const { class: name, state, audited, errors, bound } = standing;
  const [now, why] = inWords(standing, demands);
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>
        <Bound standing={standing} allowed={demands.error_max} />
      </td>
      <td class="number">{audited === 0 ? "–" : <strong>{finePercent(bound)}</strong>}</td>
      <td class="number">
        {integer(errors)} <span class="soft">of {integer(audited)} audited</span>
      </td>
      <td>
        <strong class={state === "off" ? "off" : ""}>{now}</strong>
        <span class="under">{why}</span>
      </td>
    </tr>
  );
}

/** How a class stands, and why. */
function inWords(standing: ClassStanding, { error_max: most, audited_min: least }: Demands): [string, string] {
  const { state, threshold, audited, bound, off_at: at } = standing;
  const from = threshold === null ? "" : `from ${figure(threshold, 3)} on`;
  if (state === "earned") return ["Accepted", `${from}, as sure as the model says it is`];
  if (state === "off") {
    const why = bound > most ? "its bound crossed the line" : "its newest errors are more than chance explains";
    return ["Switched off", `${at === null ? "" : `${date(at)}: `}${why}; it was accepted ${from}`];
  }
  if (audited < least) return ["Not yet", `${plural(least - audited, "audited item")} more, if none of them is wrong`];
  return ["Not yet", "tested again whenever its audited items have doubled"];
}

function axisTo(allowed: number): Axis {
  const to = SHOWN_TIMES * allowed;
  return { width: WIDTH, from: 0, to, ticks: [0, allowed, to] };
}

function Bound({ standing: { audited, errors, bound, state }, allowed }: { standing: ClassStanding; allowed: number }) {
  const middle = HEIGHT / 2;
  const axis = axisTo(allowed);
  const end = at(axis, bound);
  const line = at(axis, allowed);
  return (
    <svg class="interval" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <line class="grid" x1={MARGIN} x2={MARGIN} y1={0} y2={HEIGHT} />
      {audited > 0 && (
        <>
          <rect class={`bound ${state}`} x={MARGIN} y={middle - 5} width={end - MARGIN} height={10} />
          {/* An arrow where it goes on beyond the plot. */}
          {bound > axis.to && (
            <path class={`bound ${state}`} d={`M${end} ${middle - 8}l${ARROW} 8l${-ARROW} 8z`} />
          )}
          <circle class="dot" cx={at(axis, errors / audited)} cy={middle} r={4} />
        </>
      )}
      <line class="limit" x1={line} x2={line} y1={0} y2={HEIGHT} />
    </svg>
  );
}
