// Decisions on the card on the table: what is selected, what was decided, and how to take it back.

import { batch, computed, effect, signal } from "@preact/signals";
import type { Refused } from "./api";
import { activeMs } from "./activity";
import { COMMENT_CHARS_MAX, SYNTHETIC, type Card, type Decision } from "./contract";
import * as deck from "./deck";
import { keep, randomHex, unconfirmed, UNCONFIRMED_MAX, withdraw, type Operation } from "./unconfirmed";

/** Decisions that can be taken back. */
const UNDO_MAX = 20;
/** Notices on screen. */
const NOTICES_MAX = 5;
/** Too little time to speak of a pace. */
const PACE_MS_MIN = 10_000;
// Holds items' content, so it is in sessionStorage: it ends with the tab, as the token does.
const HISTORY = "insitu.history";
const PACE = "insitu.pace";

interface Past {
  key: string;
  project: string;
  decision: Decision;
  comment: string;
  looksReal: boolean | null;
  card: Card;
}

export interface Notice {
  id: string;
  text: string;
  hint: string;
}

/** The class that enter submits; null when nothing is preselected. */
export const selection = signal<number | null>(null);
/** Whether the prelabel was rejected and a class is asked for. */
export const rejecting = signal(false);
export const comment = signal("");
/** Whether the item looks real, where that is asked; null before it is answered. */
export const looksReal = signal<boolean | null>(null);
export const notices = signal<Notice[]>([]);
/** The last thing that happened, for the live region. */
export const announcement = signal("");
export const past = signal<Past[]>(stored(HISTORY, []));
export const pace = signal<{ decided: number; activeMs: number }>(
  stored(PACE, { decided: 0, activeMs: 0 }),
);
export const perMinute = computed(() =>
  pace.value.activeMs < PACE_MS_MIN ? null : pace.value.decided / (pace.value.activeMs / 60_000),
);

/** Active milliseconds of this tab's session. */
export function activeNowMs(): number {
  return pace.value.activeMs + activeMs() - paceAtMs;
}

let shownAtMs = activeMs();
let paceAtMs = activeMs();

/** What is shown of a prelabel: nothing in a blind read, whatever was sent. */
export function prelabelOf(card: Card): Card["prelabel"] {
  return card.blind ? null : card.prelabel;
}

/** Set while a card comes back by undo: what was said with it comes back, too. */
let restored: Past | null = null;
let onTable: string | undefined;

// A new card on the table starts afresh; the same card with a longer lease does not.
effect(() => {
  const card = deck.current.value;
  if (card?.item === onTable && restored === null) return;
  batch(() => {
    selection.value = (card && prelabelOf(card)?.class) ?? null;
    rejecting.value = false;
    comment.value = restored?.comment ?? "";
    looksReal.value = restored?.looksReal ?? null;
  });
  // The wait for a card is nobody's work.
  if (onTable === undefined) paceAtMs = activeMs();
  shownAtMs = activeMs();
  onTable = card?.item;
  restored = null;
});

export function accept(): void {
  const card = deck.current.value;
  const prelabel = card && prelabelOf(card);
  if (!prelabel) return say("There is no suggestion to accept. Choose a class.");
  decide("accept", prelabel.class);
}

export function reject(): void {
  const card = deck.current.value;
  if (!card) return;
  batch(() => {
    rejecting.value = prelabelOf(card) !== null;
    selection.value = null;
  });
  say("Suggestion rejected. Choose a class.");
}

export function keepSuggestion(): void {
  const card = deck.current.value;
  batch(() => {
    rejecting.value = false;
    selection.value = (card && prelabelOf(card)?.class) ?? null;
  });
}

export function choose(index: number): void {
  const card = deck.current.value;
  if (!card || index >= (deck.project.value?.classes.length ?? 0)) return;
  decide(prelabelOf(card)?.class === index ? "accept" : "correct", index);
}

export function select(step: number): void {
  const count = deck.project.value?.classes.length ?? 0;
  if (count === 0) return;
  const from = selection.value ?? (step > 0 ? -1 : count);
  selection.value = (from + step + count) % count;
}

export function submit(): void {
  if (selection.value === null) return say("Choose a class first.");
  choose(selection.value);
}

/** Says whether the item looks real; saying it again takes it back. */
export function judge(real: boolean): void {
  if (deck.current.value?.queue !== SYNTHETIC) return;
  looksReal.value = looksReal.value === real ? null : real;
  say(looksReal.value === null ? "Not said whether it is real." : real ? "Looks real." : "Looks made up.");
}

export function skip(): void {
  decide("skip", null);
}

export function flag(): void {
  decide("flag", selection.value);
}

function decide(decision: Decision, index: number | null): void {
  const card = deck.current.value;
  const project = deck.project.value;
  if (!card || !project || deck.leaseEnded.value) return;
  if (unconfirmed.value.length >= UNCONFIRMED_MAX) {
    return notify(`${UNCONFIRMED_MAX} decisions wait for the agent.`, "Go on when it answers again.");
  }
  const key = randomHex(16);
  const text = comment.value.trim().slice(0, COMMENT_CHARS_MAX);
  const now = activeMs();
  const annotation = {
    key,
    class: index,
    seconds: Math.round((now - shownAtMs) / 100) / 10,
    decision,
    ...(text === "" ? {} : { comment: text }),
    ...(looksReal.value === null ? {} : { looks_real: looksReal.value }),
  };
  const label = labelOf(decision, index, project.classes);
  const operation = { kind: "annotate" as const, project: project.name, item: card.item, label, queue: card.queue };
  if (!kept({ ...operation, annotation })) return;
  batch(() => {
    remember({ key, project: project.name, decision, comment: text, looksReal: looksReal.value, card });
    pace.value = {
      decided: pace.value.decided + 1,
      activeMs: pace.value.activeMs + now - paceAtMs,
    };
    paceAtMs = now;
    if (deck.counts(decision, card.queue)) deck.addDone(1);
    deck.advance();
  });
  sessionStorage.setItem(PACE, JSON.stringify(pace.value));
  say(label);
}

export function undo(): void {
  const last = past.value.at(-1);
  if (!last) return say("There is nothing to undo.");
  if ((last.card.queue === SYNTHETIC) !== deck.judging.value) {
    return say("The last decision belongs to the other queue. Switch to it first.");
  }
  if (last.project !== deck.project.value?.name) {
    return say("The last decision belongs to another project. Switch to it first.");
  }
  const { key, project, card } = last;
  const { item, queue } = card;
  if (!withdraw(key) && !kept({ kind: "undo", project, item, label: "Undo", queue, key })) return;
  batch(() => {
    past.value = past.value.slice(0, -1);
    if (deck.counts(last.decision, queue)) deck.addDone(-1);
    pace.value = { ...pace.value, decided: Math.max(0, pace.value.decided - 1) };
    restored = last;
    deck.putBack(card);
  });
  sessionStorage.setItem(HISTORY, JSON.stringify(past.value));
  say("Undone. The item is back.");
}

/** The agent's final word on an operation. */
export function settled(operation: Operation, refusal: Refused | null): void {
  if (refusal === null) return;
  const { item, label, kind } = operation;
  if (kind === "undo") {
    notify(`The decision stands: ${refusal.message}.`, refusal.hint);
    deck.drop(item);
    return;
  }
  past.value = past.value.filter(({ key }) => key !== operation.annotation.key);
  sessionStorage.setItem(HISTORY, JSON.stringify(past.value));
  if (deck.counts(operation.annotation.decision, operation.queue)) deck.addDone(-1);
  notify(`Not saved: “${label}”. The agent says: ${refusal.message}.`, refusal.hint);
}

export function dismiss(id: string): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

export function forget(): void {
  batch(() => {
    past.value = [];
    notices.value = [];
    comment.value = "";
    pace.value = { decided: 0, activeMs: 0 };
    paceAtMs = activeMs();
  });
  sessionStorage.removeItem(HISTORY);
  sessionStorage.removeItem(PACE);
}

function remember(entry: Past): void {
  past.value = [...past.value, entry].slice(-UNDO_MAX);
  sessionStorage.setItem(HISTORY, JSON.stringify(past.value));
}

/** Keeps an operation until the agent confirms it. False when the browser cannot. */
function kept(operation: Operation): boolean {
  try {
    keep(operation);
    return true;
  } catch {
    notify(
      "This browser cannot keep the decision, so it was not taken.",
      "Allow this page to store data, or free some space.",
    );
    return false;
  }
}

function labelOf(decision: Decision, index: number | null, classes: { name: string }[]): string {
  if (decision === "skip") return "Skipped";
  if (decision === "flag") return "Flagged for an expert";
  const name = (index !== null && classes[index]?.name) || "";
  return decision === "accept" ? `Accepted ${name}` : `Corrected to ${name}`;
}

function notify(text: string, hint: string): void {
  notices.value = [...notices.value, { id: randomHex(4), text, hint }].slice(-NOTICES_MAX);
}

function say(text: string): void {
  // The same words twice in a row must be spoken twice.
  announcement.value = announcement.value === text ? `${text}\u00a0` : text;
}

function stored<T>(name: string, otherwise: T): T {
  const text = sessionStorage.getItem(name);
  return text === null ? otherwise : JSON.parse(text);
}
