import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Me } from "../contract";
import { chooseProject, current, judge, judging, project, projects } from "../deck";
import { open } from "../keys";
import { activeNowMs, perMinute } from "../review";
import { signOut } from "../session";
import { seesQuality, view } from "../view";
import { Mark } from "./mark";

const CLOCK_MS = 1_000;

export function Header({ me }: { me: Me }) {
  return (
    <header class="top">
      <div class="who">
        <Mark />
        <Title />
      </div>
      <Figures />
      <nav aria-label="Page">
        {seesQuality(me.role) && <Views />}
        {me.reveals && (
          <a class="link" href="item.html">
            Originals
          </a>
        )}
        {me.role !== "steward" && <Queues />}
        <button type="button" class="quiet" aria-keyshortcuts="h" onClick={() => open("guideline")}>
          Guideline <kbd>H</kbd>
        </button>
        <button type="button" class="quiet" aria-keyshortcuts="?" onClick={() => open("help")}>
          Keys <kbd>?</kbd>
        </button>
        <a class="link" href="sign-in.html">
          Account
        </a>
        <button type="button" class="quiet" onClick={signOut} title={`${me.name}, ${me.role}`}>
          Sign out<span class="unseen"> {me.name}</span>
        </button>
      </nav>
      <Progress />
    </header>
  );
}

function Views() {
  const quality = view.value === "quality";
  return (
    <>
      <a class="link" href="#" aria-current={quality ? undefined : "page"}>
        Review
      </a>
      <a class="link" href="#quality" aria-current={quality ? "page" : undefined} aria-keyshortcuts="q">
        Quality <kbd>Q</kbd>
      </a>
    </>
  );
}

/** The switch to the queue of synthetic items, where there are any. */
function Queues() {
  if (view.value !== "review" || (project.value?.synthetic ?? 0) === 0) return null;
  const on = judging.value;
  return (
    <button type="button" class="quiet" onClick={() => judge(!on)}>
      {on ? "Back to real items" : "Judge synthetic items"}
    </button>
  );
}

function Title() {
  const shown = project.value;
  if (shown === null) return <h1>Insitu review</h1>;
  const queue = current.value?.queue;
  const waiting = queue === undefined ? undefined : shown.queues[queue];
  return (
    <div>
      {projects.value.length > 1 ? (
        <h1>
          <label class="unseen" for="project">
            Project
          </label>
          <select
            id="project"
            value={shown.name}
            onChange={(event) => chooseProject(event.currentTarget.value)}
          >
            {projects.value.map(({ name, title }) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
        </h1>
      ) : (
        <h1>{shown.title}</h1>
      )}
      <p class="queue">
        {queue === undefined ? "No item on the table" : `${capitalised(queue)} queue`}
        {waiting !== undefined && ` · ${waiting.toLocaleString("en")} waiting`}
      </p>
    </div>
  );
}

function Figures() {
  const now = useSignal(activeNowMs());
  useEffect(() => {
    const clock = setInterval(() => {
      now.value = activeNowMs();
    }, CLOCK_MS);
    return () => clearInterval(clock);
  }, []);
  const rate = perMinute.value;
  const shown = project.value;
  return (
    <dl class="figures">
      <div>
        <dt>Done</dt>
        <dd>
          {shown === null
            ? "–"
            : `${shown.done.toLocaleString("en")} / ${shown.total.toLocaleString("en")}`}
        </dd>
      </div>
      <div>
        <dt>Per minute</dt>
        <dd>{rate === null ? "–" : rate.toFixed(rate < 10 ? 1 : 0)}</dd>
      </div>
      <div>
        <dt>Active</dt>
        <dd>{clockText(now.value)}</dd>
      </div>
    </dl>
  );
}

function Progress() {
  const shown = project.value;
  if (shown === null || shown.total === 0) return null;
  return (
    <progress
      class="progress"
      aria-label="Items done"
      max={shown.total}
      value={Math.min(shown.done, shown.total)}
    />
  );
}

function clockText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const pad = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${pad(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(seconds % 60)}`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
