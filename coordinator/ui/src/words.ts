// Figures as people read them. The language is fixed, so that a page reads the same everywhere.

import type { Estimate, Interval } from "./contract";

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

export function isKnown(estimate: Estimate): estimate is Interval {
  return "value" in estimate;
}

/** `0.712`, `−0.034`: with a real minus sign. A dash for what is no number, which JSON writes as null. */
export function figure(value: number, digits = 2): string {
  if (!Number.isFinite(value)) return "–";
  const text = value.toFixed(digits);
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text.replace("-", "−");
}

export function integer(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return Math.round(value).toLocaleString("en").replace("-", "−");
}

export function percent(share: number): string {
  return `${figure(share * 100, 0)} %`;
}

export function range({ low, high }: Interval): string {
  return `${figure(low)} to ${figure(high)}`;
}

export function ago(time: string | null, now: Date): string {
  if (time === null) return "never";
  const seconds = Math.max(0, (now.getTime() - Date.parse(time)) / 1000);
  if (seconds < MINUTE_S) return "just now";
  if (seconds < HOUR_S) return `${Math.floor(seconds / MINUTE_S)} min ago`;
  if (seconds < 2 * DAY_S) return `${Math.floor(seconds / HOUR_S)} h ago`;
  return `${Math.floor(seconds / DAY_S)} days ago`;
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${integer(n)} ${n === 1 ? one : many}`;
}

export function shortDigest(digest: string): string {
  return digest.slice(0, 10);
}
