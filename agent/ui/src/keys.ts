// Everything the page does from the keyboard, in one table: the dispatcher and the help read it.

import { signal } from "@preact/signals";
import { SYNTHETIC } from "./contract";
import * as deck from "./deck";
import * as review from "./review";
import { session } from "./session";
import { seesQuality, show, view } from "./view";

const LETTERS = "insitu.letters";

export type Dialog = "help" | "guideline";

export const dialog = signal<Dialog | null>(null);
/** Whether single keys act. Speech input and some screen readers need them off. */
export const singleKeys = signal(localStorage.getItem(LETTERS) !== "off");

export interface Command {
  /** As `KeyboardEvent.key`, lower case; with `ctrl+` where it is held. */
  keys: string[];
  /** As printed on the keycap. */
  caps: string[];
  title: string;
  run: () => void;
  /** Acts in every view. */
  everywhere?: boolean;
  /** Who has it; everybody if absent. */
  available?: () => boolean;
  /** Still acts when single keys are off, or while typing a comment. */
  always?: boolean;
}

export const COMMANDS = {
  accept: { keys: ["a"], caps: ["A"], title: "Accept the suggestion", run: review.accept },
  reject: { keys: ["x"], caps: ["X"], title: "Reject it, then choose a class", run: review.reject },
  next: {
    keys: ["arrowdown", "arrowright"],
    caps: ["↓"],
    title: "Select the next class",
    run: () => review.select(1),
  },
  previous: {
    keys: ["arrowup", "arrowleft"],
    caps: ["↑"],
    title: "Select the previous class",
    run: () => review.select(-1),
  },
  submit: { keys: ["enter"], caps: ["Enter"], title: "Submit the selected class", run: submitOrRenew },
  submitAlways: {
    keys: ["ctrl+enter"],
    caps: ["Ctrl", "Enter"],
    title: "Submit, also while typing a comment",
    run: submitOrRenew,
    always: true,
  },
  skip: { keys: [" "], caps: ["Space"], title: "Skip", run: review.skip },
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
  undo: {
    keys: ["backspace"],
    caps: ["Backspace"],
    title: "Undo, up to 20 decisions back",
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
  cancel: { keys: ["escape"], caps: ["Esc"], title: "Keep the suggestion", run: review.keepSuggestion },
} satisfies Record<string, Command>;

/** What this person can do. */
export function commands(): Command[] {
  return Object.values<Command>(COMMANDS).filter(({ available }) => available?.() ?? true);
}

export function setSingleKeys(on: boolean): void {
  singleKeys.value = on;
  localStorage.setItem(LETTERS, on ? "on" : "off");
}

export function open(which: Dialog): void {
  dialog.value = which;
}

/** Handles a key of the review screen. */
export function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing || event.altKey) return;
  if (document.querySelector("dialog[open]") !== null) return;
  const target = event.target instanceof Element ? event.target : document.body;
  const typing = target.closest("textarea, input, select") !== null;
  const control = event.ctrlKey || event.metaKey;
  // A focused button owns its own keys.
  const onButton = target.closest("button, a, summary") !== null;
  if (onButton && !control && (event.key === "Enter" || event.key === " ")) return;

  const command = find(`${control ? "ctrl+" : ""}${event.key.toLowerCase()}`);
  const reviewing = view.value === "review";
  if (command !== undefined && !reviewing && !command.everywhere) return;
  const index = command === undefined && !control && reviewing ? digit(event) : null;
  if (command === undefined && index === null) return;
  if (typing && !command?.always) return;
  const plain = command === undefined || command.keys.some((key) => /^[a-z? ]$|^backspace$/.test(key));
  if (plain && !control && !singleKeys.value) return;
  event.preventDefault();
  // A key held down must not decide one item after the other.
  if (event.repeat && !/^arrow/.test(event.key.toLowerCase())) return;
  if (command !== undefined) command.run();
  else if (index !== null) review.choose(index);
}

/** The keycaps that choose a class: 1–9 and 0, with shift for the second ten. */
export function digitCap(index: number): string | null {
  if (index >= 20) return null;
  const cap = String((index + 1) % 10);
  return index < 10 ? cap : `⇧${cap}`;
}

/** The class a digit key means, on any keyboard layout and the number pad. */
function digit(event: KeyboardEvent): number | null {
  const printed = /^[0-9]$/.test(event.key);
  const figure = printed ? event.key : /^Digit([0-9])$/.exec(event.code)?.[1];
  if (figure === undefined) return null;
  // Where shift types the digit itself (AZERTY), it cannot mean the second ten.
  const second = event.shiftKey && !printed;
  const index = ((Number(figure) + 9) % 10) + (second ? 10 : 0);
  return index < (deck.project.value?.classes.length ?? 0) ? index : null;
}

function find(name: string): Command | undefined {
  return commands().find(({ keys }) => keys.includes(name));
}

function isJudging(): boolean {
  return deck.current.value?.queue === SYNTHETIC;
}

function submitOrRenew(): void {
  if (deck.leaseEnded.value) deck.renew();
  else review.submit();
}
