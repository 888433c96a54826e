// Erasing a subject or an item: what will go, what it is again, and what went.

import { signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { ask, enter, problem, say, Shell } from "./shell";

/** Longest reason, bytes; the agent measures it itself. */
const REASON_MAX = 500;
const EVERY = "";

interface Wanted {
  subject?: string;
  id?: string;
  project?: string;
}

interface Erased {
  items: number;
  before: boolean;
  rows: Record<string, number>;
  originals: number;
  heads: number;
  waiting: number;
  scrubbed: boolean;
  snapshots: { snapshot: string; folder: string }[];
  exports: string[];
  label_studio_tasks: number[];
}

const projects = signal<{ name: string; title: string }[]>([]);
const kind = signal<"subject" | "id">("subject");
/** What was looked at, and what of it will go; `done` once it went. */
const looked = signal<{ wanted: Wanted; own: string; found: Erased; done: boolean } | null>(null);
const busy = signal(false);

function Page() {
  return (
    <Shell
      title="Erase"
      links={
        <a class="link" href="item.html">
          Originals
        </a>
      }
      allowed={({ role }) => role === "steward"}
      refusal="Only the site’s steward erases. Ask the steward, with the request."
    >
      <Find />
      <p class="problem" role="alert">
        {problem}
      </p>
      {looked.value !== null && (looked.value.done ? <Gone /> : <Doomed />)}
    </Shell>
  );
}

function Find() {
  const own = useRef<HTMLInputElement>(null);
  const project = useRef<HTMLSelectElement>(null);
  useEffect(() => {
    own.current?.focus();
    void ask("GET", "/api/projects").then((all) => {
      if (all !== null) projects.value = all as { name: string; title: string }[];
    });
  }, []);
  async function look() {
    const typed = own.current?.value.trim() ?? "";
    const name = project.current?.value ?? EVERY;
    const wanted: Wanted = { [kind.value]: typed, ...(name === EVERY ? {} : { project: name }) };
    looked.value = null;
    busy.value = true;
    const found = (await ask("POST", "/api/erasures/preview", wanted)) as Erased | null;
    busy.value = false;
    if (found !== null) looked.value = { wanted, own: typed, found, done: false };
  }
  const item = kind.value === "id";
  return (
    <form
      class="find"
      onSubmit={(event) => {
        event.preventDefault();
        void look();
      }}
    >
      <label for="kind">What is erased</label>
      <select
        id="kind"
        value={kind}
        onChange={(event) => {
          kind.value = event.currentTarget.value === "id" ? "id" : "subject";
          looked.value = null;
        }}
      >
        <option value="subject">A subject, with all of its items</option>
        <option value="id">One item</option>
      </select>
      <label for="project">Project</label>
      <select id="project" ref={project} required={item}>
        {!item && <option value={EVERY}>every project</option>}
        {projects.value.map(({ name, title }) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
      <label for="own">The site’s own id</label>
      <input id="own" ref={own} autocomplete="off" spellcheck={false} required aria-describedby="own-note" />
      <p class="note" id="own-note">
        As the imported files have it. Nothing is erased yet.
      </p>
      <button type="submit" disabled={busy}>
        See what will go
      </button>
    </form>
  );
}

function Doomed() {
  const reason = useRef<HTMLInputElement>(null);
  const confirm = useRef<HTMLInputElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const now = looked.value;
  if (now === null) return null;
  const { wanted, own, found } = now;
  async function erase() {
    if (confirm.current?.value.trim() !== own) {
      problem.value = "What was typed again is another id. Nothing was erased.";
      return confirm.current?.focus();
    }
    busy.value = true;
    const order = { ...wanted, reason: reason.current?.value ?? "", confirm: own };
    const erased = (await ask("POST", "/api/erasures", order)) as Erased | null;
    busy.value = false;
    if (erased === null) return;
    looked.value = { wanted, own, found: erased, done: true };
    say(summary(erased, "erased"));
  }
  return (
    <section class="panel erase" aria-labelledby="doomed">
      <h2 id="doomed" tabIndex={-1} ref={heading}>
        What will go
      </h2>
      {found.before ? (
        <p>It was erased before, and nothing of it has come since.</p>
      ) : (
        <>
          <List found={found} verb="will be erased" />
          <form
            aria-label="Erase"
            onSubmit={(event) => {
              event.preventDefault();
              void erase();
            }}
          >
            <label for="reason">Why</label>
            <input id="reason" ref={reason} maxLength={REASON_MAX} autocomplete="off" aria-describedby="reason-note" />
            <p class="note" id="reason-note">
              Goes into the audit log for good, so name nobody.
            </p>
            <label for="confirm">The id again: there is no way back</label>
            <input id="confirm" ref={confirm} autocomplete="off" spellcheck={false} required />
            <button type="submit" class="primary" disabled={busy}>
              {busy.value ? "Erasing…" : "Erase for good"}
            </button>
          </form>
        </>
      )}
    </section>
  );
}

function Gone() {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const found = looked.value?.found;
  if (found === undefined) return null;
  return (
    <section class="panel erase" aria-labelledby="gone">
      <h2 id="gone" tabIndex={-1} ref={heading}>
        What went
      </h2>
      <List found={found} verb="erased" />
      <p class="note">
        {found.scrubbed
          ? "No byte of it is left in the store’s files."
          : "Somebody reads the store: its file is written anew within a minute."}{" "}
        Importing it again is refused, until <code>insitu-agent erase --allow</code>.
      </p>
    </section>
  );
}

function List({ found, verb }: { found: Erased; verb: string }) {
  const rows = Object.entries(found.rows).filter(([table, count]) => count > 0 && table !== "items");
  return (
    <>
      <p>{summary(found, verb)}</p>
      <ul>
        {rows.map(([table, count]) => (
          <li key={table}>{counted(count, "row", `of ${table.replaceAll("_", " ")}`)}</li>
        ))}
        {found.originals > 0 && <li>{counted(found.originals, "original", "of surrogates")}</li>}
        {found.heads > 0 && <li>{counted(found.heads, "head", "of the site’s own, fitted anew")}</li>}
        {found.waiting > 0 && (
          <li>{counted(found.waiting, "message", "of Label Studio about what is no item yet")}</li>
        )}
      </ul>
      {found.snapshots.length > 0 && (
        <>
          <h3>Snapshots that hold it, to be removed where they are</h3>
          <ul>
            {found.snapshots.map(({ snapshot, folder }) => (
              <li key={snapshot}>
                <code>{folder}</code>
              </li>
            ))}
          </ul>
        </>
      )}
      {found.exports.length > 0 && (
        <>
          <h3>Exports that are under way or were cut short, and may hold it: unless one is running, remove</h3>
          <ul>
            {found.exports.map((folder) => (
              <li key={folder}>
                <code>{folder}</code>
              </li>
            ))}
          </ul>
        </>
      )}
      {found.label_studio_tasks.length > 0 && (
        <p>Its tasks in Label Studio, to be deleted there: {found.label_studio_tasks.join(", ")}</p>
      )}
    </>
  );
}

function summary({ items }: Erased, verb: string): string {
  return `${counted(items, "item", verb)}.`;
}

function counted(count: number, one: string, rest: string): string {
  return `${count} ${one}${count === 1 ? "" : "s"} ${rest}`;
}

void enter();
const root = document.getElementById("app");
if (root !== null) render(<Page />, root);
