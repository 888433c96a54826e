// What spans, regions and segments have in common from the keyboard.

import type { Command } from "../command";
import * as deck from "../deck";
import { say } from "../say";
import * as work from "../work";

const ZOOM_STEP = 1.4;

export function markCommands(what: string): Command[] {
  return [
    {
      keys: ["tab"],
      caps: ["Tab"],
      title: `Select the next ${what}; past the last one the focus goes on`,
      run: () => work.cycle(1),
      onItem: true,
    },
    {
      keys: ["shift+tab"],
      caps: ["Shift", "Tab"],
      title: `Select the previous ${what}`,
      run: () => work.cycle(-1),
      onItem: true,
    },
    {
      keys: ["delete"],
      caps: ["Del"],
      title: "Remove what is selected",
      tool: "Remove",
      run: work.remove,
      onSelection: true,
    },
  ];
}

/** Zooming, of `whole`; `zoomed` says whether less than that is seen. */
export function zoomCommands(
  whole: string,
  zoom: (factor: number) => void,
  reset: () => void,
  zoomed: () => boolean,
): Command[] {
  const key = (name: string, cap: string, title: string, run: () => void): Command => ({
    keys: [name],
    caps: [cap],
    title,
    tool: title,
    run,
    repeats: true,
  });
  return [
    key("+", "+", "Zoom in", () => zoom(ZOOM_STEP)),
    key("-", "−", "Zoom out", () => zoom(1 / ZOOM_STEP)),
    { ...key("home", "Home", whole, reset), tool: "Fit", enabled: zoomed },
    {
      ...key("0", "0", `${whole}, too`, reset),
      tool: "",
      // The tenth class has the digit where there is one.
      available: () => (deck.project.value?.classes.length ?? 0) < 10,
    },
  ];
}

/** Relabels what is selected, or says with which class the next mark is made. */
export function relabelOrBrush(index: number): void {
  const name = deck.project.value?.classes[index]?.name;
  if (name === undefined) return;
  work.relabel(index);
  say(work.selectedMark.value === null ? `New ones: ${name}.` : name);
}

/** Escape: nothing is selected any more. */
export function deselect(): boolean {
  if (work.selected.value === null) return false;
  work.select(null);
  return true;
}
