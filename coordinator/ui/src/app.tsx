import { useSignalEffect } from "@preact/signals";
import type { Overview, Project } from "./contract";
import { asOf, overview, problem } from "./poll";
import { AgreementSection } from "./sections/agreement";
import { BudgetSection } from "./sections/budget";
import { CalibrationSection } from "./sections/calibration";
import { CampaignsSection } from "./sections/campaigns";
import { DriftSection } from "./sections/drift";
import { FleetSection } from "./sections/fleet";
import { LabelsSection } from "./sections/labels";
import { LeavesSection } from "./sections/leaves";
import { RoundsSection } from "./sections/rounds";
import { count, shortDigest } from "./words";

export function App() {
  useSignalEffect(() => {
    const name = overview.value?.federation;
    document.title = name === undefined ? "Insitu coordinator" : `${name} · Insitu coordinator`;
  });
  const shown = overview.value;
  return (
    <>
      <header class="top">
        <img class="mark" src="favicon.svg" alt="" width="32" height="32" />
        <div>
          <h1>{shown === null ? "Insitu coordinator" : shown.federation}</h1>
          <p class="soft">{shown === null ? "Federation" : summary(shown)}</p>
        </div>
        <Freshness />
      </header>
      <div role="status">
        {problem.value !== null && (
          <p class="banner">
            <strong>The coordinator gives no new figures: {problem.value}.</strong>{" "}
            {shown === null ? "Trying again." : "What you see is the last it sent. Trying again."}
          </p>
        )}
      </div>
      <main>{shown === null ? <Waiting /> : <Everything shown={shown} />}</main>
    </>
  );
}

function Everything({ shown }: { shown: Overview }) {
  return (
    <>
      <h2 class="unseen">Federation</h2>
      <div class="row">
        <FleetSection sites={shown.sites} now={asOf.value ?? new Date()} />
      </div>
      <div class="row two">
        <BudgetSection sites={shown.sites} />
        <LeavesSection />
      </div>
      {shown.projects.length === 0 && (
        <section class="card">
          <h2>Projects</h2>
          <p class="empty">
            No project yet. <code>insitu-coordinator project create FILE.toml</code> makes one.
          </p>
        </section>
      )}
      {shown.projects.map((project) => (
        <ProjectPart key={project.name} project={project} />
      ))}
    </>
  );
}

function ProjectPart({ project }: { project: Project }) {
  const { bundle } = project;
  return (
    <article aria-labelledby={`project-${project.name}`}>
      <header class="project">
        <h2 id={`project-${project.name}`}>{project.title}</h2>
        <p class="soft">
          Project <code>{project.name}</code>, version {project.version}.{" "}
          {bundle === null ? (
            "No model published yet."
          ) : (
            <>
              Model {bundle.version} <code>{shortDigest(bundle.digest)}</code>.
            </>
          )}
        </p>
      </header>
      <div class="row">
        <RoundsSection runs={project.runs} />
      </div>
      <div class="row">
        <AgreementSection agreement={project.agreement} />
        <CalibrationSection calibration={project.calibration} />
        <DriftSection drift={project.drift} />
      </div>
      <div class="row two">
        <CampaignsSection campaigns={project.campaigns} />
        <LabelsSection labels={project.labels} classes={project.classes} />
      </div>
    </article>
  );
}

function Freshness() {
  const time = asOf.value;
  if (time === null) return null;
  return (
    <p class={problem.value === null ? "fresh" : "fresh stale"}>
      As of <time dateTime={time.toISOString()}>{time.toLocaleTimeString("en-GB")}</time>
    </p>
  );
}

function Waiting() {
  return <p class="empty waiting">Fetching the figures…</p>;
}

function summary({ sites, projects }: Overview): string {
  const connected = sites.filter((site) => site.connected).length;
  const releases = sites.reduce((sum, site) => sum + site.releases, 0);
  return [
    `${connected} of ${count(sites.length, "site")} connected`,
    count(releases, "release"),
    count(projects.length, "project"),
  ].join(" · ");
}
