// Active time: time between a person's actions, of which no gap counts for more than IDLE_MS.

/** A pause longer than this is not work. */
export const IDLE_MS = 30_000;

/** Nobody is there who has done nothing for this long. */
const AWAY_MS = 300_000;

const ACTIONS = ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"] as const;

let countedMs = 0;
let lastAction = performance.now();

/** Active milliseconds since the page was opened. Never decreases. */
export function activeMs(): number {
  return countedMs + pendingMs();
}

/** Whether nobody is there: then the page asks for nothing by itself, and the sign-in may end. */
export function isAway(): boolean {
  return performance.now() - lastAction > AWAY_MS;
}

function pendingMs(): number {
  return document.hidden ? 0 : Math.min(performance.now() - lastAction, IDLE_MS);
}

function act(): void {
  countedMs += pendingMs();
  lastAction = performance.now();
}

for (const action of ACTIONS) addEventListener(action, act, { capture: true, passive: true });
document.addEventListener("visibilitychange", () => {
  // The pause before hiding counts; the time behind another window does not.
  if (document.hidden) countedMs += Math.min(performance.now() - lastAction, IDLE_MS);
  lastAction = performance.now();
});
