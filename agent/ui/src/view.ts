// Which view is shown. It is in the address after `#`, so that back, reload and a bookmark keep it.

import { signal } from "@preact/signals";
import type { Role } from "./contract";

export type View = "review" | "quality";

const QUALITY = "#quality";

export const view = signal<View>(named());

/** Whether the agent shows this role how good the labels are. */
export function seesQuality(role: Role): boolean {
  return role === "lead" || role === "steward";
}

export function show(which: View): void {
  if (which !== view.value) location.hash = which === "quality" ? QUALITY : "";
}

function named(): View {
  // Parts of the quality view have names of their own: `#quality-next`.
  return location.hash.startsWith(QUALITY) ? "quality" : "review";
}

addEventListener("hashchange", () => {
  view.value = named();
});
