// Decisions on the card on the table: what was decided, and how to take it back.

import { batch, computed, effect, signal } from "@preact/signals";
import type { Refused } from "./api";
import { activeMs } from "./activity";
import { COMMENT_CHARS_MAX, SYNTHETIC, type Card, type Decision, type Label, type Reason } from "./contract";
import * as deck from "./deck";
import { canonical, emptyLabel, isOneClass, sameLabel, taskOf } from "./label";
import { notices, notify, say } from "./say";
import { keep, randomHex, unconfirmed, UNCONFIRMED_MAX, withdraw, type Operation } from "./unconfirmed";
import * as work from "./work";
import { decisionInWords, REASONS } from "./words";

/** Decisions that can be taken back. */
const UNDO_MAX = 20;
/** Too little time to speak of a pace. */
const PACE_MS_MIN = 10_000;
// Holds items' content, so it is in sessionStorage: it ends with the tab, as the token does.
const HISTORY = "insitu.history";
const PACE = "insitu.pace";

interface Past extends work.Said {
  key: string;
  project: string;
  decision: Decision;
  looksReal: boolean | null;
  card: Card;
}

/** A suggestion that may be shown. */
export interface Draft {
  label: Label;
  confidence: number | null;
}

/** The class that enter submits, where a label is one class; null when nothing is preselected. */
export const selection = computed(() => classOf(work.label.value));
/** Whether the prelabel was rejected and a class is asked for. */
export const rejecting = signal(false);
/** Whether the reason for a skip is asked. */
export const skipping = signal(false);
/** Whether the item looks real, where that is asked; null before it is answered. */
export const looksReal = signal<boolean | null>(null);
/** Which of an expert's readings was taken over last. */
export const taken = signal<number | null>(null);
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
export function draftOf({ blind, prelabel }: Card): Draft | null {
  if (blind || prelabel === null) return null;
  const { label, class: index, confidence } = prelabel;
  if (label !== undefined) return { label, confidence };
  return index === undefined ? null : { label: { class: index }, confidence };
}

export function classOf(label: Label | null): number | null {
  return label !== null && "class" in label ? label.class : null;
}

/** Set while a card comes back by undo: what was said with it comes back, too. */
let restored: Past | null = null;
let onTable: string | undefined;

// A new card on the table starts afresh; the same card with a longer lease does not.
effect(() => {
  const card = deck.current.value;
  if (card?.item === onTable && restored === null) return;
  const task = taskOf(deck.project.peek());
  batch(() => {
    const draft = (card && draftOf(card)?.label) ?? (card && emptyLabel(task));
    work.begin(card, draft, restored);
    rejecting.value = skipping.value = false;
    looksReal.value = restored?.looksReal ?? null;
    taken.value = null;
  });
  // The wait for a card is nobody's work.
  if (onTable === undefined) paceAtMs = activeMs();
  shownAtMs = activeMs();
  onTable = card?.item;
  restored = null;
});

export function accept(): void {
  const card = deck.current.value;
  const draft = card && draftOf(card);
  if (!draft) return say("There is no suggestion to accept.");
  if (!isOneClass(taskOf(deck.project.value)) && work.changed.value) {
    return say("You changed the suggestion: enter submits your label, undo takes a change back.");
  }
  decide("accept", draft.label);
}

/** Puts the suggestion aside. */
export function reject(): void {
  const card = deck.current.value;
  if (!card) return;
  const task = taskOf(deck.project.value);
  const empty = emptyLabel(task);
  rejecting.value = draftOf(card) !== null;
  if (empty === null) work.show(null);
  else if (!sameLabel(work.label.value, empty)) work.replaceAll(empty);
  say(isOneClass(task) ? "Suggestion rejected. Choose a class." : "All put aside. Undo brings it back.");
}

export function keepSuggestion(): void {
  const card = deck.current.value;
  rejecting.value = false;
  if (isOneClass(taskOf(deck.project.value))) work.show((card && draftOf(card)?.label) ?? null);
}

/** Decides for one class. */
export function choose(index: number): void {
  const card = deck.current.value;
  if (!card || index >= (deck.project.value?.classes.length ?? 0)) return;
  submitLabel({ class: index });
}

export function select(step: number): void {
  const count = deck.project.value?.classes.length ?? 0;
  if (count === 0) return;
  const from = selection.value ?? (step > 0 ? -1 : count);
  work.show({ class: (from + step + count) % count });
}

export function submit(): void {
  if (work.label.value === null) return say("Choose a class first.");
  submitLabel(work.label.value);
}

/** Makes the next reader's label the one on the table. */
export function takeOver(): void {
  const readings = deck.current.value?.readings ?? [];
  if (readings.length === 0) return say("No readings to take over.");
  take(((taken.value ?? -1) + 1) % readings.length);
}

export function take(index: number): void {
  const reading = deck.current.value?.readings?.[index];
  if (reading === undefined) return;
  taken.value = index;
  if ("class" in reading.label) work.show(reading.label);
  else if (!sameLabel(reading.label, work.label.value)) work.replaceAll(reading.label);
  say(`Reading ${index + 1} taken over. Enter submits it.`);
}

/** Says whether the item looks real; saying it again takes it back. */
export function judge(real: boolean): void {
  if (deck.current.value?.queue !== SYNTHETIC) return;
  looksReal.value = looksReal.value === real ? null : real;
  say(looksReal.value === null ? "Not said whether it is real." : real ? "Looks real." : "Looks made up.");
}

/** Asks why; asked again, and for programs that only say "skip", it needs no reason. */
export function skip(): void {
  if (skipping.value) return decide("skip", null);
  skipping.value = deck.current.value !== null;
  say("Why? 1 to 4, or space again without a reason.");
}

/** Skips for the reason at this place. Another one needs words. */
export function skipFor(index: number): void {
  const reason = REASONS[index]?.[0];
  if (reason === undefined) return;
  if (reason === "other" && work.comment.value.trim() === "") {
    document.getElementById("comment")?.focus();
    return say("Write why, then press escape and 4.");
  }
  decide("skip", null, reason);
}

export function flag(): void {
  decide("flag", work.label.value);
}

function submitLabel(label: Label): void {
  const card = deck.current.value;
  decide(sameLabel((card && draftOf(card)?.label) ?? null, label) ? "accept" : "correct", label);
}

function decide(decision: Decision, decided: Label | null, reason?: Reason): void {
  const card = deck.current.value;
  const project = deck.project.value;
  if (!card || !project || deck.leaseEnded.value) return;
  if (unconfirmed.value.length >= UNCONFIRMED_MAX) {
    return notify(`${UNCONFIRMED_MAX} decisions wait for the agent.`, "Go on when it answers again.");
  }
  const key = randomHex(16);
  const text = work.comment.value.trim().slice(0, COMMENT_CHARS_MAX);
  const now = activeMs();
  const annotation = {
    key,
    ...answer(taskOf(project).kind === "class", decided),
    seconds: Math.round((now - shownAtMs) / 100) / 10,
    decision,
    ...(text === "" ? {} : { comment: text }),
    ...(looksReal.value === null ? {} : { looks_real: looksReal.value }),
    ...(reason && { reason }),
  };
  const label = decisionInWords(decision, decided, project.classes);
  const operation = { kind: "annotate" as const, project: project.name, item: card.item, label, queue: card.queue };
  if (!kept({ ...operation, annotation })) return;
  batch(() => {
    const onIt = decision === "skip" ? work.label.value : decided;
    remember({ key, project: project.name, decision, comment: text, looksReal: looksReal.value, label: onIt, card });
    work.forget();
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

/** A label as the body of an annotation holds it. */
function answer(asClass: boolean, decided: Label | null): { class?: number | null; label?: Label } {
  if (asClass) return { class: classOf(decided) };
  return decided === null ? {} : { label: canonical(decided) };
}

/** Takes back the last change of the label on the table; without one, the last decision. */
export function undo(): void {
  if (work.undoEdit()) return;
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
  const { key, comment } = operation.annotation;
  const lost = past.value.find((entry) => entry.key === key);
  // What was said comes back if the item does.
  work.save(item, { label: lost?.label, comment }, (lost && draftOf(lost.card)?.label) ?? null);
  past.value = past.value.filter((entry) => entry !== lost);
  sessionStorage.setItem(HISTORY, JSON.stringify(past.value));
  if (deck.counts(operation.annotation.decision, operation.queue)) deck.addDone(-1);
  notify(`Not saved: “${label}”. The agent says: ${refusal.message}.`, refusal.hint);
}

export function forget(): void {
  batch(() => {
    past.value = [];
    notices.value = [];
    pace.value = { decided: 0, activeMs: 0 };
    paceAtMs = activeMs();
  });
  sessionStorage.removeItem(HISTORY);
  sessionStorage.removeItem(PACE);
}

function remember(entry: Past): void {
  past.value = [...past.value, entry].slice(-UNDO_MAX);
  try {
    sessionStorage.setItem(HISTORY, JSON.stringify(past.value));
  } catch {
    // Full of long texts: undo reaches as far as before, only a reload would forget it.
    sessionStorage.removeItem(HISTORY);
  }
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

function stored<T>(name: string, otherwise: T): T {
  const text = sessionStorage.getItem(name);
  return text === null ? otherwise : JSON.parse(text);
}
