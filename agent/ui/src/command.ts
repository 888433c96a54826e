// What a key does, and what a kind of label brings of its own.

import type { Label, Mark } from "./contract";

export interface Command {
  /** As `KeyboardEvent.key`, lower case; behind `ctrl+`, `alt+` and, for keys that print nothing, `shift+`. */
  keys: string[];
  /** As printed on the keycap. */
  caps: string[];
  /** Empty for a key that another one's row in the list of keys speaks of. */
  title: string;
  /** False when the key keeps the meaning that the browser gives it. */
  run: () => boolean | void;
  /** The words on its button above the item, where it has one. */
  tool?: string;
  /** Needs something that is selected. */
  onSelection?: boolean;
  /** Whether it can be used right now; where it cannot, its button stays and is disabled. */
  enabled?: () => boolean;
  /** Acts in every view. */
  everywhere?: boolean;
  /** Whether this project and person have it at all. */
  available?: () => boolean;
  /** Still acts when single keys are off, or while typing a comment. */
  always?: boolean;
  /** Acts while the focus is on the item, not on a button. */
  onItem?: boolean;
  /** A key held down goes on. */
  repeats?: boolean;
}

/** How labels of one kind are made. */
export interface Kind {
  /** What a digit, a class's own key or its button means here, for the list of keys. */
  digits: string;
  commands: Command[];
  /** A class was named. `exact`: with alt held. */
  choose(index: number, exact: boolean): void;
  /** Whether digits count something other than classes just now. */
  countsOthers?(): boolean;
  /** Enter. False when nothing is under way and it means to submit. */
  confirm?(): boolean;
  /** Escape. False when nothing is under way. */
  cancel?(): boolean;
  /** A mark in a few words, for the list of marks. */
  describe?(mark: Mark): string;
  /** Whether two readers mean the same by these marks of their labels, as far as the agent would say. */
  alike?(a: Mark, b: Mark, labels: [Label, Label]): boolean;
}
