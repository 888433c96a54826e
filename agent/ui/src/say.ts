// What the page tells the person: spoken by the live region, or shown until it is dismissed.

import { signal } from "@preact/signals";
import { randomHex } from "./unconfirmed";

/** Notices on screen. */
const NOTICES_MAX = 5;

export interface Notice {
  id: string;
  text: string;
  hint: string;
}

export const notices = signal<Notice[]>([]);
/** The last thing that happened, for the live region. */
export const announcement = signal("");

export function say(text: string): void {
  // The same words twice in a row must be spoken twice.
  announcement.value = announcement.value === text ? `${text}\u00a0` : text;
}

export function notify(text: string, hint: string): void {
  notices.value = [...notices.value, { id: randomHex(4), text, hint }].slice(-NOTICES_MAX);
}

export function dismiss(id: string): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}
