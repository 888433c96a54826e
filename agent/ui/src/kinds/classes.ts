// Labels without marks: one class, any number of classes, or which of two texts is better.

import type { Command, Kind } from "../command";
import * as deck from "../deck";
import * as review from "../review";
import * as work from "../work";

export const oneClass: Kind = {
  digits: "Choose a class and go on; with shift the eleventh to the twentieth",
  choose: review.choose,
  commands: [
    {
      keys: ["arrowdown", "arrowright"],
      caps: ["↓"],
      title: "Select the next class",
      run: () => review.select(1),
      repeats: true,
    },
    {
      keys: ["arrowup", "arrowleft"],
      caps: ["↑"],
      title: "Select the previous class",
      run: () => review.select(-1),
      repeats: true,
    },
  ],
};

export const manyClasses: Kind = {
  digits: "Put a class on or take it off; with shift the eleventh to the twentieth",
  choose(index) {
    const now = work.label.value;
    if (now === null || !("classes" in now) || index >= (deck.project.value?.classes.length ?? 0)) return;
    const without = now.classes.filter((one) => one !== index);
    const put = without.length === now.classes.length;
    work.edit({ classes: put ? [...without, index].sort((a, b) => a - b) : without });
  },
  commands: [
    {
      keys: ["arrowdown"],
      caps: ["↓"],
      title: "To the next class; space puts it on",
      run: () => focusClass(1),
      repeats: true,
    },
    {
      keys: ["arrowup"],
      caps: ["↑"],
      title: "To the previous class",
      run: () => focusClass(-1),
      repeats: true,
    },
  ],
};

/** The keys of a preference are where the texts are. */
export const PREFERENCE_CAPS = ["←", "→", "="];

export const preference: Kind = {
  digits: "Choose and go on",
  choose: review.choose,
  commands: [
    prefer(0, ["arrowleft"], "The left one is better"),
    prefer(1, ["arrowright"], "The right one is better"),
    { ...prefer(2, ["="], "Neither is better"), available: () => (deck.project.value?.classes.length ?? 0) > 2 },
  ],
};

function prefer(index: number, keys: string[], title: string): Command {
  return { keys, caps: [PREFERENCE_CAPS[index]!], title, run: () => review.choose(index) };
}

function focusClass(step: number): void {
  const buttons = [...document.querySelectorAll<HTMLElement>(".class[data-class]")];
  const at = buttons.indexOf(document.activeElement as HTMLElement);
  const to = at < 0 && step < 0 ? buttons.length - 1 : at + step;
  buttons[(to + buttons.length) % buttons.length]?.focus();
}
