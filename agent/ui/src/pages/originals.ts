// What surrogates of the item on the page stand for. It is here while it is shown and nowhere after.

import { signal } from "@preact/signals";
import { ask } from "./shell";

/** Nobody needs them for longer at a time. */
const SHOWN_MS_MAX = 60_000;

/** A part of a text; with originals, a surrogate. */
export interface Piece {
  /** Null where the agent kept an original before it kept surrogates. */
  text: string | null;
  kind?: string;
  originals?: string[];
}

export interface Revealed {
  fields: { name: string; pieces: Piece[] }[];
  elsewhere: Piece[];
  found: number;
}

export const revealed = signal<Revealed | null>(null);

/** Counts what was asked for and hidden: an answer that comes too late is not shown. */
let turn = 0;
let end: ReturnType<typeof setTimeout> | undefined;

export async function show(item: string, reason: string): Promise<void> {
  turn += 1;
  const own = turn;
  const answer = (await ask("POST", `/api/items/${item}/reveal`, { reason })) as Revealed | null;
  if (own !== turn || answer === null) return;
  revealed.value = answer;
  end = setTimeout(hide, SHOWN_MS_MAX);
}

export function hide(): void {
  turn += 1;
  clearTimeout(end);
  revealed.value = null;
}

addEventListener("blur", hide);
addEventListener("pagehide", hide);
document.addEventListener("visibilitychange", hide);
