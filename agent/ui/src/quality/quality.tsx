// How good are our labels, and which should we look at next?

import { useEffect, useRef } from "preact/hooks";
import { project } from "../deck";
import { Accepted } from "./acceptance";
import { Agreement } from "./agreement";
import { Confusion } from "./confusion";
import { isKnown, type Report } from "./contract";
import { Suspects, ToLabel } from "./lists";
import { People } from "./people";
import { OwnHead } from "./personal";
import { Progress } from "./progress";
import { Reliability } from "./reliability";
import { loading, quality, type Quality } from "./state";
import { SyntheticItems } from "./synthetic";
import { figure, integer, percent, range, time } from "./words";

export function QualityPage() {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  const shown = quality.value;
  const state = loading.value;
  return (
    <div class="quality">
      <div class="quality-head">
        <h2 ref={heading} tabIndex={-1}>
          Quality of the labels
        </h2>
        {shown !== null && <Scope report={shown.report} />}
      </div>
      {state.at === "failed" && (
        <p class="panel" role="alert">
          The agent says: {state.message}. {state.hint}
        </p>
      )}
      {shown === null && state.at === "loading" && (
        <p class="state" role="status">
          {project.value === null ? "The agent knows no project yet." : "Looking at the labels…"}
        </p>
      )}
      {shown !== null && <Panels shown={shown} />}
    </div>
  );
}

function Scope({ report }: { report: Report }) {
  return (
    <p class="note">
      {integer(report.labeled)} labeled items{report.cut ? ", the newest ones" : ""}, exact figures as of{" "}
      {time(report.made_at)}. They stay on these premises.
    </p>
  );
}

function Panels({ shown: { report, errors, next } }: { shown: Quality }) {
  return (
    <>
      <Tiles report={report} />
      <Vacancies vacancies={report.vacancies} />
      <div class="panels">
        <Agreement report={report} />
        <People report={report} />
        {errors !== null && <Suspects errors={errors} classes={report.classes} />}
        {next !== null && <ToLabel next={next} classes={report.classes} />}
        <Confusion report={report} />
        <Reliability calibration={report.calibration} />
        <Accepted report={report} />
        {report.personal !== null && <OwnHead personal={report.personal} />}
        <Progress progress={report.progress} />
        {report.synthetic !== null && <SyntheticItems synthetic={report.synthetic} />}
      </div>
    </>
  );
}

/** What stands still until somebody is added. */
function Vacancies({ vacancies }: Pick<Report, "vacancies">) {
  if (vacancies.length === 0) return null;
  return (
    <div class="panel vacancies" role="status">
      <h3>Nobody is there for this</h3>
      <ul>
        {vacancies.map(({ text, role }) => (
          <li key={text}>
            {text}. An administrator adds another {role} under People.
          </li>
        ))}
      </ul>
    </div>
  );
}

/** The short answer. */
function Tiles({ report }: { report: Report }) {
  const { readers, model } = report.agreement;
  const [alpha] = readers.coefficients;
  const same = model.coefficients.at(-1);
  const { error } = report.calibration;
  return (
    <dl class="tiles">
      <div>
        <dt>Readers agree (α)</dt>
        {alpha !== undefined && isKnown(alpha) ? (
          <dd>
            {figure(alpha.value)} <span class="soft">{range(alpha)}</span>
          </dd>
        ) : (
          <dd class="missing">too few</dd>
        )}
      </div>
      <div>
        <dt>Read twice</dt>
        <dd>{integer(readers.items)}</dd>
      </div>
      <div>
        <dt>Model is right</dt>
        {same !== undefined && isKnown(same) ? (
          <dd>
            {percent(same.value)} <span class="soft">of {integer(model.items)}</span>
          </dd>
        ) : (
          <dd class="missing">too few</dd>
        )}
      </div>
      <div>
        <dt>Calibration error</dt>
        <dd class={error === null ? "missing" : ""}>{error === null ? "too few" : figure(error, 3)}</dd>
      </div>
    </dl>
  );
}
