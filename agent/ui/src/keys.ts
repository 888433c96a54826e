// Everything the page does from the keyboard, in one table: the dispatcher and the help read it.

import { computed, signal } from "@preact/signals";
import type { Command } from "./command";
import { SYNTHETIC } from "./contract";
import * as deck from "./deck";
import { currentKind } from "./kinds";
import * as review from "./review";
import { session } from "./session";
import { seesQuality, show, view } from "./view";
import * as work from "./work";

const LETTERS = "insitu.letters";

export type Dialog = "help" | "guideline";

export const dialog = signal<Dialog | null>(null);
/** Whether single keys act. Speech input and some screen readers need them off. */
export const singleKeys = signal(localStorage.getItem(LETTERS) !== "off");

const COMMANDS = {
  accept: { keys: ["a"], caps: ["A"], title: "Accept the suggestion", run: review.accept },
  reject: { keys: ["x"], caps: ["X"], title: "Put the suggestion aside", run: review.reject },
  submit: { keys: ["enter"], caps: ["Enter"], title: "Submit the label", run: confirm },
  submitAlways: {
    keys: ["ctrl+enter"],
    caps: ["Ctrl", "Enter"],
    title: "Submit, also while typing a comment",
    run: confirm,
    always: true,
  },
  skip: { keys: [" "], caps: ["Space"], title: "Skip: then 1 to 4 say why, or space again", run: review.skip },
  skipAlways: {
    keys: ["ctrl+ "],
    caps: ["Ctrl", "Space"],
    title: "Skip, also while typing a comment",
    run: review.skip,
    always: true,
  },
  flag: { keys: ["f"], caps: ["F"], title: "Flag for an expert", run: review.flag },
  comment: {
    keys: ["c"],
    caps: ["C"],
    title: "Comment",
    run: () => document.getElementById("comment")?.focus(),
  },
  looksReal: {
    keys: ["r"],
    caps: ["R"],
    title: "Beside synthetic items: this one looks real",
    run: () => review.judge(true),
    available: isJudging,
  },
  looksMade: {
    keys: ["m"],
    caps: ["M"],
    title: "Beside synthetic items: this one looks made up",
    run: () => review.judge(false),
    available: isJudging,
  },
  takeOver: {
    keys: ["t"],
    caps: ["T"],
    title: "Take the next reader's label over",
    run: review.takeOver,
    available: () => (deck.current.value?.readings?.length ?? 0) > 0,
  },
  undo: {
    keys: ["backspace"],
    caps: ["Backspace"],
    title: "Undo: changes of this label, then up to 20 decisions",
    run: review.undo,
  },
  undoAlways: {
    keys: ["ctrl+z"],
    caps: ["Ctrl", "Z"],
    title: "Undo",
    run: review.undo,
  },
  guideline: { keys: ["h"], caps: ["H"], title: "Guideline", run: () => open("guideline"), everywhere: true },
  help: { keys: ["?"], caps: ["?"], title: "All keys", run: () => open("help"), everywhere: true },
  quality: {
    keys: ["q"],
    caps: ["Q"],
    title: "Quality of the labels, and back to review",
    run: () => show(view.value === "quality" ? "review" : "quality"),
    everywhere: true,
    available: () => session.value.at === "signed-in" && seesQuality(session.value.me.role),
  },
  cancel: { keys: ["escape"], caps: ["Esc"], title: "Let go of what is under way or selected", run: cancel },
} satisfies Record<string, Command>;

/** What this person has a key for here: what the kind of label brings comes first. */
export function commands(): Command[] {
  return [...currentKind().commands, ...Object.values<Command>(COMMANDS)].filter(
    ({ available }) => available?.() ?? true,
  );
}

/** Whether a command can be used right now. */
export function usable({ enabled, onSelection }: Command): boolean {
  return (enabled?.() ?? true) && (!onSelection || work.selected.value !== null);
}

export function setSingleKeys(on: boolean): void {
  singleKeys.value = on;
  localStorage.setItem(LETTERS, on ? "on" : "off");
}

export function open(which: Dialog): void {
  dialog.value = which;
}

/** Handles a key of the page. */
export function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  if (document.querySelector("dialog[open]") !== null) return;
  const target = event.target instanceof Element ? event.target : document.body;
  const typing = target.closest("textarea, input, select") !== null;
  // What AltGr prints is the key, not a chord.
  const printing = event.getModifierState("AltGraph");
  const control = (event.ctrlKey || event.metaKey) && !printing;
  const alt = event.altKey && !printing;
  // A focused button owns its own keys.
  const onButton = target.closest("button, a, summary") !== null;
  if (onButton && !control && (event.key === "Enter" || event.key === " ")) return;

  const reviewing = view.value === "review";
  const name = nameOf(event, control, alt);
  const elsewhere = onButton || target.closest("aside, header") !== null;
  const command = commands().find(
    (one) =>
      one.keys.includes(name) && (reviewing || one.everywhere) && !(one.onItem && elsewhere) && usable(one),
  );
  const why = reviewing && review.skipping.value && !typing && /^[1-4]$/.test(event.key);
  if (why) {
    event.preventDefault();
    if (!event.repeat) review.skipFor(Number(event.key) - 1);
    return;
  }
  const index = command === undefined && !control && reviewing ? classMeant(event, alt) : null;
  if (command === undefined && index === null) return;
  if (typing && !command?.always) return;
  const plain = command === undefined || command.keys.some((key) => /^[^\w]$|^[a-z]$|^backspace$/.test(key));
  if (plain && !control && !singleKeys.value) return;
  // A key held down must not decide one item after the other.
  if (event.repeat && !command?.repeats) return event.preventDefault();
  if (command !== undefined && command.run() === false) return;
  if (command === undefined && index !== null) currentKind().choose(index, alt);
  event.preventDefault();
}

/** The key as commands name it. */
function nameOf({ key, shiftKey }: KeyboardEvent, control: boolean, alt: boolean): string {
  const shift = shiftKey && key.length > 1 ? "shift+" : "";
  return `${control ? "ctrl+" : ""}${alt ? "alt+" : ""}${shift}${key.toLowerCase()}`;
}

/** The keycap of a class: its own key unless something else has it, or the digit of its place. */
export function classCap(index: number): string | null {
  const digit = digitCap(index);
  const own = ownKeys.value[index]?.toUpperCase();
  return own ?? (digit !== null && !ownKeys.value.includes(digit) ? digit : null);
}

/** The keycaps that choose a class: 1–9 and 0, with shift for the second ten. */
export function digitCap(index: number): string | null {
  if (index >= 20) return null;
  const cap = String((index + 1) % 10);
  return index < 10 ? cap : `⇧${cap}`;
}

/** The class that a digit or a class's own key means, on any keyboard layout and the number pad. */
function classMeant(event: KeyboardEvent, alt: boolean): number | null {
  const printed = /^[0-9]$/.test(event.key);
  const figure = printed ? event.key : /^Digit([0-9])$/.exec(event.code)?.[1];
  if (figure !== undefined) {
    const own = event.shiftKey ? null : withOwnKey(figure);
    if (own !== null) return own;
    // Where shift types the digit itself (AZERTY), it cannot mean the second ten.
    const second = event.shiftKey && !printed;
    return ((Number(figure) + 9) % 10) + (second ? 10 : 0);
  }
  // With alt a letter may print something else.
  const letter = alt ? (/^Key([A-Z])$/.exec(event.code)?.[1] ?? "") : event.key;
  return withOwnKey(letter);
}

/** The class that a project gave this key; null where digits count something else. */
function withOwnKey(key: string): number | null {
  const index = ownKeys.value.indexOf(key.toLowerCase());
  return index < 0 || currentKind().countsOthers?.() ? null : index;
}

/** The keys that the project gave its classes, without those that something else has. */
const ownKeys = computed(() => {
  const taken = new Set(commands().flatMap(({ keys }) => keys));
  const keys = (deck.project.value?.classes ?? []).map(({ key }) => key?.toLowerCase());
  return keys.map((key) => (key === undefined || taken.has(key) ? null : key));
});

function isJudging(): boolean {
  return deck.current.value?.queue === SYNTHETIC;
}

function confirm(): void {
  if (deck.leaseEnded.value) deck.renew();
  else if (!currentKind().confirm?.()) review.submit();
}

function cancel(): void {
  if (review.skipping.value) review.skipping.value = false;
  else if (!currentKind().cancel?.()) review.keepSuggestion();
}
