// Colours stretches of text without touching it: the CSS Custom Highlight API, one registry for the page.

import { computed, effect } from "@preact/signals";
import { colourOf } from "../colours";
import { project } from "../deck";
import { underlineOf } from "./swatch";

/** A stretch of text and the name of its look. */
export interface Stroke {
  name: string;
  range: Range;
}

/** The names of looks, beside `drafted-N` and `marked-N` for a class N. Later ones lie on top. */
const LOOKS = ["differs", "selected", "linked", "picked"];

/** Whether this browser can paint at all. */
export const canPaint = "highlights" in CSS;

const strokes = new Map<object, Stroke[]>();
const sheet = new CSSStyleSheet();

/** Paints these strokes in place of what `owner` had painted. */
export function paint(owner: object, painted: Stroke[]): void {
  if (painted.length === 0) strokes.delete(owner);
  else strokes.set(owner, painted);
  if (!canPaint) return;
  const ranges = new Map<string, Range[]>();
  for (const { name, range } of [...strokes.values()].flat()) {
    ranges.set(name, [...(ranges.get(name) ?? []), range]);
  }
  // WebKit does not repaint a name that only gets another highlight: all of them go first.
  CSS.highlights.clear();
  for (const [name, all] of ranges) {
    const highlight = new Highlight(...all);
    highlight.priority = LOOKS.indexOf(name) + 1;
    CSS.highlights.set(name, highlight);
  }
}

// A constructed sheet is the page's own script at work: the policy needs no exception for it.
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
const classes = computed(() => project.value?.classes ?? []);
const rules = computed(() =>
  classes.value
    .map((_, index) => {
      const colour = colourOf(classes.value, index);
      const line = `text-decoration: underline ${underlineOf(index)} ${colour} 2px`;
      const drafted = `::highlight(drafted-${index}) { ${line} }`;
      return `${drafted} ::highlight(marked-${index}) { ${line}; background-color: ${colour}33 }`;
    })
    .join("\n"),
);
// Only when they change: a sheet that is replaced has every element's style computed again.
effect(() => sheet.replaceSync(rules.value));
