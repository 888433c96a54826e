// The classes' colours: the project's own or ours, changed as far as it takes to stand out from the card.

import { signal } from "@preact/signals";
import type { Class } from "./contract";

const OURS = [
  "#0b7285", "#b35900", "#6741d9", "#c92a2a", "#2b8a3e", "#1864ab", "#a61e4d", "#66660a", "#7b4a2b", "#495057",
];
/** Contrast of graphics is 3 at least, by WCAG 2.2 (1.4.11); thin lines on a dark ground need more. */
const CONTRAST_MIN = { light: 3, dark: 5 };
const STEPS = 20;

const query = matchMedia("(prefers-color-scheme: dark)");
export const dark = signal(query.matches);
query.addEventListener("change", () => {
  dark.value = query.matches;
});

/** `#rrggbb` that can be told from the card in the scheme that is shown. */
export function colourOf(classes: Class[], index: number): string {
  const own = classes[index]?.colour ?? "";
  const chosen = /^#[0-9a-f]{6}$/i.test(own) ? own : OURS[index % OURS.length]!;
  const [towards, ground] = dark.value ? [255, "#19211f"] : [0, "#ffffff"];
  const least = dark.value ? CONTRAST_MIN.dark : CONTRAST_MIN.light;
  let channels = parse(chosen);
  for (let step = 0; step < STEPS && contrast(channels, parse(ground)) < least; step += 1) {
    channels = channels.map((value) => value + (towards - value) * 0.1);
  }
  return `#${channels.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("")}`;
}

function parse(colour: string): number[] {
  return [1, 3, 5].map((from) => Number.parseInt(colour.slice(from, from + 2), 16));
}

/** Contrast ratio of WCAG 2.2. */
function contrast(a: number[], b: number[]): number {
  const [low, high] = [luminance(a), luminance(b)].sort((one, other) => one - other);
  return (high! + 0.05) / (low! + 0.05);
}

function luminance(channels: number[]): number {
  const [red, green, blue] = channels.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}
