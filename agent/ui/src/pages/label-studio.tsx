// How a Label Studio is connected: what to enter there, what its site must set, and what is not right yet.

import { signal } from "@preact/signals";
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { ask, enter, problem, say, Shell } from "./shell";

interface Setting {
  name: string;
  value: string;
  why: string;
}

interface Studio {
  project: string;
  /** Where Label Studio is, and the number of its project. */
  studio: string;
  number: number;
  /** Where it reaches the agent, from the agent's own address on. */
  path: string;
  secret_file: string;
}

interface Standing {
  findings: { what: string; fault: string | null }[];
  tasks: number;
  waiting: number;
  faults: { event: string; reason: string }[];
}

const listed = signal<{ projects: Studio[]; settings: Setting[] } | null>(null);
/** By project; null while it is being asked. */
const standings = signal<Record<string, Standing | null>>({});

const ENTRY = `[project.label_studio]
url = "http://label-studio.hospital.example:8080"
project = 1                             # the number in its address there
token_file = "label-studio.token"       # a personal access token
secret_file = "label-studio.secret"     # 16 characters or more`;

function Page() {
  return (
    <Shell
      title="Label Studio"
      links={null}
      allowed={({ role }) => role === "steward" || role === "admin"}
      refusal="Stewards and administrators connect a Label Studio. To the items: open the review page."
    >
      <Studios />
    </Shell>
  );
}

function Studios() {
  useEffect(() => void load(), []);
  const all = listed.value;
  return (
    <>
      <p class="problem" role="alert">
        {problem}
      </p>
      {all === null && (
        <p class="state" role="status">
          Fetching what is connected…
        </p>
      )}
      {all !== null && all.projects.length === 0 && <None />}
      {all?.projects.map((studio) => (
        <Connection key={studio.project} studio={studio} settings={all.settings} />
      ))}
    </>
  );
}

function None() {
  return (
    <section class="panel studio">
      <h2>No project has a Label Studio yet</h2>
      <p>
        Add this to the project’s part of <code>agent.toml</code>, and start the agent again:
      </p>
      <pre tabIndex={0} aria-label="To add to agent.toml">
        {ENTRY}
      </pre>
    </section>
  );
}

function Connection({ studio, settings }: { studio: Studio; settings: Setting[] }) {
  const { project, number, path, secret_file } = studio;
  const heading = `studio-${project}`;
  return (
    <section class="panel studio" aria-labelledby={heading}>
      <h2 id={heading}>{project}</h2>
      <p class="note">
        Project {number} at {studio.studio}
      </p>
      <ol>
        <li>
          Whoever runs Label Studio sets in its environment, and starts it again:
          {settings.map(({ name, value, why }) => (
            <p key={name}>
              <code>
                {name}={value}
              </code>
              <span class="note"> – {why}.</span>
            </p>
          ))}
        </li>
        <li>
          In Label Studio, make a personal access token (Account &amp; Settings) of somebody who may see the project, and
          put it into the agent’s token file. Legacy tokens are not needed.
        </li>
        <li>
          There, in the project’s Settings, Model, connect a model at
          <p>
            <code>{`${location.origin}${path}`}</code>
          </p>
          <span class="note">
            SECRET is what {secret_file} holds. The host must be one by which Label Studio reaches this agent.
          </span>
        </li>
        <li>Label Studio then makes its webhook itself. Check here that everything is right.</li>
      </ol>
      <Result project={project} />
    </section>
  );
}

function Result({ project }: { project: string }) {
  const standing = standings.value[project];
  const asking = standing === null;
  return (
    <>
      <p class="buttons">
        <button type="button" class="primary" disabled={asking} onClick={() => void check(project)}>
          {asking ? "Asking Label Studio…" : "Check now"}
        </button>
      </p>
      {standing && (
        <>
          <ul class="findings" aria-label={`What was found of ${project}`}>
            {standing.findings.map(({ what, fault }) => (
              <li key={what} class={fault === null ? "right" : "wrong"}>
                <strong>{fault === null ? "Right" : "Wrong"}:</strong> {what}
                {fault !== null && <p>{fault}</p>}
              </li>
            ))}
          </ul>
          <p class="note">
            {standing.tasks} tasks are items; {standing.waiting} events wait for their item’s draft.
          </p>
          {standing.faults.length > 0 && (
            <>
              <h3>Not taken</h3>
              <ul>
                {standing.faults.map(({ event, reason }) => (
                  <li key={event}>
                    {event}: {reason}
                  </li>
                ))}
              </ul>
            </>
          )}
        </>
      )}
    </>
  );
}

async function load(): Promise<void> {
  const found = (await ask("GET", "/api/label-studio")) as typeof listed.value;
  if (found === null) return;
  listed.value = found;
}

async function check(project: string): Promise<void> {
  const before = standings.value[project];
  standings.value = { ...standings.value, [project]: null };
  const found = (await ask("GET", `/api/label-studio/${encodeURIComponent(project)}`)) as Standing | null;
  const now = { ...standings.value };
  if (found !== null) now[project] = found;
  else if (before) now[project] = before;
  else delete now[project];
  standings.value = now;
  if (found === null) return;
  const wrong = found.findings.filter(({ fault }) => fault !== null).length;
  say(wrong === 0 ? `All is right with ${project}.` : `${wrong} of ${found.findings.length} are wrong with ${project}.`);
}

const root = document.getElementById("app");
if (root) render(<Page />, root);
void enter();
