// Who is at the site, for administrators: added, given a role or a password, signed out, removed.

import { signal } from "@preact/signals";
import { render } from "preact";
import { useEffect } from "preact/hooks";
import type { Role } from "../contract";
import { Modal } from "../views/modal";
import { ask, enter, problem, say, Shell, visit } from "./shell";

/** As the agent has it: fewer characters are refused there, too. */
const PASSWORD_CHARACTERS_MIN = 12;

const ROLES: [Role, string][] = [
  ["annotator", "labels items"],
  ["expert", "labels, and settles what annotators cannot"],
  ["lead", "an expert who sees the figures and opens single items"],
  ["steward", "guards the subjects’ privacy, and does not label"],
  ["admin", "manages people, and sees nothing of items"],
];

interface Person {
  name: string;
  role: Role | "application";
  password: boolean;
  /** Last moment, RFC 3339. */
  until: string | null;
  expert_until: string | null;
  ended: boolean;
  /** In how many browsers the person is signed in. */
  browsers: number;
}

/** A queue that waits for somebody of a role who is not there. */
interface Vacancy {
  text: string;
  role: string;
}

type Task = { what: "add" } | { what: "role" | "password" | "remove"; of: Person };

const people = signal<Person[] | null>(null);
const vacancies = signal<Vacancy[]>([]);
const task = signal<Task | null>(null);
const withEnded = signal(false);

function Page() {
  return (
    <Shell
      title="People"
      links={
        <a class="link" href="label-studio.html">
          Label Studio
        </a>
      }
      allowed={({ role }) => role === "admin"}
      refusal="Only administrators manage people. To the items: open the review page."
    >
      <People />
    </Shell>
  );
}

function People() {
  useEffect(() => void load(), []);
  const all = people.value;
  const shown = all?.filter(({ ended }) => withEnded.value || !ended) ?? [];
  const ended = (all?.length ?? 0) - (all?.filter((person) => !person.ended).length ?? 0);
  return (
    <>
      <div class="people-head">
        <h2>Who is at this site</h2>
        <button type="button" class="primary" onClick={() => begin({ what: "add" })}>
          Add somebody
        </button>
      </div>
      {task.value === null && <Problem />}
      {vacancies.value.length > 0 && (
        <div class="panel vacancies" role="status">
          <h3>Somebody is missing</h3>
          <ul>
            {vacancies.value.map(({ text, role }) => (
              <li key={text}>
                {text}. Add another {role}.
              </li>
            ))}
          </ul>
        </div>
      )}
      {all === null ? (
        <p class="state" role="status">
          Fetching the list…
        </p>
      ) : (
        <div class="panel wide-table" role="region" aria-label="People" tabIndex={0}>
          <table class="site-people">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Role</th>
                <th scope="col">Comes in by</th>
                <th scope="col">Until</th>
                <th scope="col">Signed in</th>
                <th scope="col">
                  <span class="unseen">Change</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((person) => (
                <Row key={person.name} person={person} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {ended > 0 && (
        <label class="switch">
          <input
            type="checkbox"
            checked={withEnded.value}
            onChange={(event) => {
              withEnded.value = event.currentTarget.checked;
            }}
          />{" "}
          Show also who is no longer here ({ended})
        </label>
      )}
      <p class="note after">
        Whoever is removed can sign in no more; what they said stays, under their name. Another role or password signs
        a person out everywhere. Each change is in the audit log with your name.
      </p>
      {task.value !== null && <Dialog task={task.value} />}
    </>
  );
}

function Row({ person }: { person: Person }) {
  const { name, role, ended } = person;
  const me = visit.value.at === "in" ? visit.value.me.name : "";
  const until = person.until === null ? "" : day(person.until);
  return (
    <tr class={ended ? "ended" : ""}>
      <th scope="row">
        {name} {name === me && <span class="note">(you)</span>}
      </th>
      <td>
        {role}
        {person.expert_until !== null && <span class="note"> decides until {day(person.expert_until)}</span>}
      </td>
      <td>{person.password ? "password" : "token or provider"}</td>
      <td>{ended ? `over${until === "" ? "" : `: ${until}`}` : until === "" ? "–" : until}</td>
      <td>{person.browsers === 0 ? "–" : browsers(person.browsers)}</td>
      <td class="row-actions">
        {name !== me && !ended && (
          <>
            {role !== "application" && (
              <>
                <Action label={`Role of ${name}`} onClick={() => begin({ what: "role", of: person })}>
                  Role
                </Action>
                <Action label={`Password of ${name}`} onClick={() => begin({ what: "password", of: person })}>
                  Password
                </Action>
                <Action
                  label={`Sign out ${name}`}
                  disabled={person.browsers === 0}
                  onClick={() => void signOut(name)}
                >
                  Sign out
                </Action>
              </>
            )}
            <Action label={`Remove ${name}`} onClick={() => begin({ what: "remove", of: person })}>
              Remove
            </Action>
          </>
        )}
      </td>
    </tr>
  );
}

interface ActionProps {
  label: string;
  disabled?: boolean;
  onClick: () => void;
  children: string;
}

function Action({ label, disabled, onClick, children }: ActionProps) {
  return (
    <button type="button" class="quiet" aria-label={label} disabled={disabled} onClick={onClick}>
      {children}
    </button>
  );
}

function Problem() {
  return (
    <p class="problem" role="alert">
      {problem}
    </p>
  );
}

function Dialog({ task: now }: { task: Task }) {
  const close = () => {
    problem.value = "";
    task.value = null;
  };
  const name = now.what === "add" ? "" : now.of.name;
  const titles = {
    add: "Add somebody",
    role: `Role of ${name}`,
    password: `New password for ${name}`,
    remove: `Remove ${name}?`,
  };
  return (
    <Modal title={titles[now.what]} onClose={close}>
      <form onSubmit={(event) => void submit(event, now)}>
        {now.what === "add" && (
          <>
            <label for="new-name">Name</label>
            <input id="new-name" name="name" maxLength={128} autocomplete="off" spellcheck={false} required />
          </>
        )}
        {(now.what === "add" || now.what === "role") && <Roles chosen={now.what === "add" ? "annotator" : now.of.role} />}
        {now.what === "add" && <Password title="First password" />}
        {now.what === "password" && <Password title="New password" />}
        {now.what === "add" && (
          <>
            <label for="until">Last day (optional)</label>
            <input id="until" name="until" type="date" />
          </>
        )}
        {now.what === "remove" && (
          <p>
            {name} is signed out and can sign in no more, by password, by token or by the identity provider. What{" "}
            {name} said stays. This cannot be taken back: the name is not given out again.
          </p>
        )}
        <Problem />
        <button type="submit" class="primary">
          {{ add: "Add", role: "Give the role", password: "Set the password", remove: "Remove" }[now.what]}
        </button>
      </form>
    </Modal>
  );
}

function Roles({ chosen }: { chosen: string }) {
  return (
    <fieldset>
      <legend>Role</legend>
      {ROLES.map(([role, what]) => (
        <label key={role} class="choice">
          <input type="radio" name="role" value={role} defaultChecked={role === chosen} required />
          <span>
            {role}: <span class="note">{what}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function Password({ title }: { title: string }) {
  return (
    <>
      <label for="password">{title}</label>
      <input
        id="password"
        name="password"
        type="password"
        minLength={PASSWORD_CHARACTERS_MIN}
        autocomplete="new-password"
        required
        aria-describedby="password-note"
      />
      <p class="note" id="password-note">
        At least {PASSWORD_CHARACTERS_MIN} characters: a few words are easy to remember. The person changes it under
        “Account”.
      </p>
    </>
  );
}

async function submit(event: SubmitEvent, now: Task): Promise<void> {
  event.preventDefault();
  const form = event.currentTarget as HTMLFormElement;
  const button = form.querySelector("button")!;
  if (button.disabled) return;
  const values = new FormData(form);
  const text = (name: string) => String(values.get(name) ?? "");
  button.disabled = true;
  const done = await carryOut(now, text);
  button.disabled = false;
  // A password is not left on the page, whatever became of it.
  form.querySelectorAll<HTMLInputElement>("[type=password]").forEach((input) => {
    input.value = "";
  });
  if (done === null) return;
  task.value = null;
  await load();
  say(done);
}

/** What was done, in words; null when the agent refused. */
async function carryOut(now: Task, text: (name: string) => string): Promise<string | null> {
  const [role, password] = [text("role"), text("password")];
  const name = now.what === "add" ? text("name").trim() : now.of.name;
  const until = text("until") === "" ? {} : { until: text("until") };
  const requests = {
    add: () => ask("POST", "/api/people", { name, role, password, ...until }),
    role: () => ask("POST", `${at(name)}/role`, { role }),
    password: () => ask("POST", `${at(name)}/password`, { new: password }),
    remove: () => ask("DELETE", at(name)),
  };
  if ((await requests[now.what]()) === null) return null;
  return {
    add: `${name} is added as ${role}.`,
    role: `${name} is ${role} from now on.`,
    password: `${name} has a new password.`,
    remove: `${name} is removed.`,
  }[now.what];
}

async function signOut(name: string): Promise<void> {
  if ((await ask("DELETE", `${at(name)}/browsers`)) === null) return;
  await load();
  say(`${name} is signed out everywhere.`);
}

async function load(): Promise<void> {
  const listed = (await ask("GET", "/api/people")) as Person[] | null;
  if (listed !== null) people.value = listed;
  const vacant = (await ask("GET", "/api/vacancies")) as Vacancy[] | null;
  if (vacant !== null) vacancies.value = vacant;
}

function begin(next: Task): void {
  problem.value = "";
  task.value = next;
}

function at(name: string): string {
  return `/api/people/${encodeURIComponent(name)}`;
}

function browsers(count: number): string {
  return count === 1 ? "in one browser" : `in ${count} browsers`;
}

/** The last day of a time, which ends with it, in UTC. */
function day(end: string): string {
  return new Date(Date.parse(end) - 1).toISOString().slice(0, 10);
}

void enter();
const root = document.getElementById("app");
if (root !== null) render(<Page />, root);
