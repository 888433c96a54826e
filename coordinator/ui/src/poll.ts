// Asks the coordinator for its figures every few seconds while the page is looked at.

import { batch, signal } from "@preact/signals";
import type { Overview } from "./contract";

const POLL_MS = 4_000;
const TIMEOUT_MS = 10_000;

export const overview = signal<Overview | null>(null);
/** When the figures on the page were current. */
export const asOf = signal<Date | null>(null);
/** Why there are no newer ones. */
export const problem = signal<string | null>(null);

let asking = false;

export function start(): void {
  void ask();
  setInterval(() => void ask(), POLL_MS);
  document.addEventListener("visibilitychange", () => void ask());
}

async function ask(): Promise<void> {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const response = await fetch("/api/overview", {
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    const figures: Overview = await response.json();
    batch(() => {
      overview.value = figures;
      asOf.value = new Date();
      problem.value = null;
    });
  } catch (error) {
    const answered = error instanceof Error && error.message.startsWith("it answered");
    problem.value = answered ? error.message : "it cannot be reached";
  } finally {
    asking = false;
  }
}
