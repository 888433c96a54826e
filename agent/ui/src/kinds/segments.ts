// Segments and points of a recording with several channels on one clock, from the keyboard and the pointer.

import { batch, computed, effect, signal } from "@preact/signals";
import { assetOf, type Series } from "../assets";
import type { Command, Kind } from "../command";
import type { Label, Reference, Segment } from "../contract";
import * as deck from "../deck";
import { viewed, type Drag, type Point, type Stretch } from "../gestures";
import { marksOf, taskOf } from "../label";
import { say } from "../say";
import * as work from "../work";
import { deselect, markCommands, relabelOrBrush, zoomCommands } from "./marks";

/** Two readers mean the same segment when they share this much of what either says. */
const ALIKE_OVERLAP = 0.5;
/** Two readers mean the same point this near each other, as a share of the longer of their labels. */
const ALIKE_POINTS = 0.01;
/** The nearest view, in samples. */
const SEEN_SAMPLES_MIN = 8;
const LONG_STEP = 10;
/** A new segment's share of what is seen. */
const NEW_SHARE = 0.1;
const EDGES = ["start", "end"] as const;
const END = 1;
/** Digits that survive the arithmetic of a clock. */
const PRECISION = 12;

/** What is seen of the time; null for all of it. */
const seenAt = signal<Stretch | null>(null);
/** How wide the recording is shown, in CSS pixels: the surface says so. */
export const width = signal(1);

export const series = computed<Series | null>(() => {
  const task = taskOf(deck.project.value);
  if (task.kind !== "segments") return null;
  const field = deck.current.value?.fields.find(({ name }) => name === task.field);
  if (typeof field?.value !== "object" || field.value === null) return null;
  const asset = assetOf(field.value as Reference, field.kind).value;
  return asset.at === "series" ? asset.series : null;
});
export const seen = computed(() => seenAt.value ?? wholeOf(series.value));

export const segments: Kind = {
  digits: "Give the selected segment a class, or choose the class of the next one",
  choose: relabelOrBrush,
  cancel: deselect,
  describe(mark) {
    const { start, end, channel } = mark as Segment;
    const unit = series.value?.unit ?? "";
    const where = channel == null ? "" : ` · ${series.value?.channels[channel]?.name ?? channel}`;
    return `${timeText(start)}${start === end ? "" : `–${timeText(end)}`} ${unit}${where}`;
  },
  alike(a, b, labels) {
    const [left, right] = [a as Segment, b as Segment];
    if (left.class !== right.class || (left.channel ?? null) !== (right.channel ?? null)) return false;
    if (isPoint(left) && isPoint(right)) {
      return Math.abs(left.start - right.start) <= ALIKE_POINTS * Math.max(...labels.map(lengthOf));
    }
    const both = Math.min(left.end, right.end) - Math.max(left.start, right.start);
    const either = Math.max(left.end, right.end) - Math.min(left.start, right.start);
    return both > 0 && both / either >= ALIKE_OVERLAP;
  },
  commands: [
    {
      keys: ["s"],
      caps: ["S"],
      title: "New segment in the middle of what is seen",
      tool: "New segment",
      run: newSegment,
    },
    {
      keys: ["p"],
      caps: ["P"],
      title: "New point in the middle of what is seen",
      tool: "New point",
      run: newPoint,
      available: takesPoints,
    },
    ...markCommands("segment"),
    edge("[", "Start earlier", 0, -1),
    edge("{", "Start later", 0, 1),
    edge("]", "End later", END, 1),
    edge("}", "End earlier", END, -1),
    {
      keys: ["e"],
      caps: ["E"],
      title: "The arrows move the other edge, then all of it",
      tool: "Edge",
      run: nextEdge,
      onSelection: true,
      enabled: () => !isPointSelected(),
    },
    {
      keys: ["k"],
      caps: ["K"],
      title: "On the next channel, then on all of them",
      tool: "Channel",
      run: nextChannel,
      onSelection: true,
      enabled: () => (series.value?.channels.length ?? 0) > 1,
    },
    arrow("arrowleft", ["← →"], "Move the edge of the selected segment, or the view, by a pixel", -1),
    arrow("arrowright", ["→"], "", 1),
    arrow("shift+arrowleft", ["Shift", "← →"], "… by ten pixels", -LONG_STEP),
    arrow("shift+arrowright", ["Shift", "→"], "", LONG_STEP),
    ...zoomCommands("The whole recording", zoom, resetZoom, () => seenAt.value !== null),
  ],
};

/** What a press begins: on a segment, on one of its edges, or on a lane (null: on all of them). */
export function press(at: Point, on: Element, lane: number | null): Drag | null {
  if (series.value === null) return null;
  const handle = on.getAttribute("data-part");
  if (handle !== null) return grab(work.selected.value!, Number(handle), at.x);
  const index = on.getAttribute("data-mark");
  if (index !== null) {
    const known = work.selected.value === Number(index);
    if (!known) work.select(Number(index));
    return grab(Number(index), null, at.x);
  }
  return newByDrag(at.x, lane);
}

/** Zooms and pans by the pointer. */
export function view(factor: number, around: Point, by: Point): void {
  look(factor, timeAt(around.x), by.x * perPixel());
}

/** The time under a place of the surface, on a sample. */
export function timeAt(x: number): number {
  return onSample(seen.value.from + x * perPixel());
}

export function isPoint({ start, end }: Segment): boolean {
  return start === end;
}

/** A time with as many digits as the view can tell apart. */
export function timeText(time: number): string {
  const step = series.value?.step ?? 1;
  return time.toFixed(Math.min(6, Math.max(0, Math.ceil(-Math.log10(step)))));
}

export function takesPoints(): boolean {
  const task = taskOf(deck.project.value);
  return task.kind === "segments" && task.points === true;
}

/** From the first to the last moment of a label. */
function lengthOf(label: Label): number {
  const times = marksOf(label).flatMap((mark) => [(mark as Segment).start, (mark as Segment).end]);
  return times.length === 0 ? 0 : Math.max(...times) - Math.min(...times);
}

function wholeOf(shown: Series | null): Stretch {
  if (shown === null) return { from: 0, to: 1 };
  return { from: shown.start, to: shown.start + Math.max(1, shown.count - 1) * shown.step };
}

function newSegment(): void {
  const { from, to } = seen.value;
  const [middle, half] = [(from + to) / 2, ((to - from) * NEW_SHARE) / 2];
  make(onSample(middle - half), onSample(middle + half), null);
  say("New segment. The arrows move its end, E takes the other edge.");
}

function newPoint(): void {
  const middle = onSample((seen.value.from + seen.value.to) / 2);
  make(middle, middle, null);
  say("New point. The arrows move it.");
}

function make(start: number, end: number, lane: number | null): void {
  if (series.value === null) return say("The recording is not here yet.");
  const several = series.value.channels.length > 1;
  work.add({ class: work.brush.value, start, end, ...(lane === null || !several ? {} : { channel: lane }) });
}

function nextEdge(): void {
  // The end moves unless something else was asked for.
  const order = [END, 0, null];
  const next = order[(order.indexOf(heldEdge()) + 1) % order.length]!;
  work.part.value = next ?? WHOLE;
  say(next === null ? "All of it." : `The ${EDGES[next]}.`);
}

/** Stands for the whole segment where `null` means that nothing was chosen. */
const WHOLE = 2;

/** What the arrows move: an edge, or null for the whole. */
export function heldEdge(): number | null {
  if (isPointSelected() || work.part.value === WHOLE) return null;
  return work.part.value ?? END;
}

function isPointSelected(): boolean {
  const mark = work.selectedMark.value;
  return mark === null || isPoint(mark as Segment);
}

function nextChannel(): void {
  const { channel, ...rest } = work.selectedMark.value as Segment;
  const next = channel == null ? 0 : channel + 1;
  const shown = series.value?.channels[next];
  work.change(shown === undefined ? rest : { ...rest, channel: next });
  say(shown === undefined ? "On all channels." : `On ${shown.name}.`);
}

function edge(key: string, title: string, part: 0 | 1, direction: number): Command {
  return {
    keys: [key, `alt+${key}`],
    caps: [key],
    title: `${title}, by a pixel`,
    tool: title,
    repeats: true,
    onSelection: true,
    enabled: () => !isPointSelected(),
    run: () => shift(part, direction),
  };
}

function arrow(key: string, caps: string[], title: string, pixels: number): Command {
  const run = () => {
    if (work.selectedMark.value === null) look(1, 0, -pixels * LONG_STEP * perPixel());
    else shift(heldEdge(), pixels);
  };
  return { keys: [key], caps, title, run, repeats: true, onItem: true };
}

/** Moves the selected segment, or an edge of it, by pixels: by one sample each at least. */
function shift(part: number | null, pixels: number): void {
  const step = series.value?.step ?? 1;
  const by = pixels * Math.max(step, Math.round(perPixel() / step) * step);
  const to = moved(work.selectedMark.value as Segment, part, by);
  work.change(to, `nudge${part}`);
  const time = part === END ? to.end : to.start;
  const { from, to: until } = seen.value;
  look(1, 0, -(Math.min(0, time - from) + Math.max(0, time - until)));
  say(timeText(time));
}

function moved(segment: Segment, part: number | null, by: number): Segment {
  const { from, to } = wholeOf(series.value);
  const step = series.value?.step ?? 0;
  const { start, end } = segment;
  if (part === null) {
    const kept = Math.min(Math.max(by, from - start), to - end);
    return { ...segment, start: onSample(start + kept), end: onSample(end + kept) };
  }
  // A segment does not become a point by itself.
  if (part === END) return { ...segment, end: onSample(Math.max(end + by, start + step)) };
  return { ...segment, start: onSample(Math.min(start + by, end - step)) };
}

function grab(index: number, part: number | null, fromX: number): Drag {
  const before = work.label.value;
  const segment = work.marks.value[index] as Segment;
  if (part !== null) work.part.value = part;
  const at = (x: number) => moved(segment, part, (x - fromX) * perPixel());
  return {
    move: ({ x }) => work.preview(index, at(x)),
    end({ x }, far) {
      if (!far) return;
      batch(() => {
        work.show(before);
        work.change(at(x));
      });
    },
    cancel: () => work.show(before),
  };
}

function newByDrag(fromX: number, lane: number | null): Drag {
  const before = work.label.value;
  const several = (series.value?.channels.length ?? 0) > 1;
  const extent = (x: number): [number, number] => [timeAt(Math.min(fromX, x)), timeAt(Math.max(fromX, x))];
  return {
    move({ x }) {
      if (before === null || !("segments" in before)) return;
      const [start, end] = extent(x);
      const made = { class: work.brush.value, start, end, ...(lane === null || !several ? {} : { channel: lane }) };
      batch(() => {
        work.show({ segments: [...before.segments, made] });
        work.select(before.segments.length);
      });
    },
    end({ x }, far) {
      batch(() => {
        work.show(before);
        work.select(null);
        const [start, end] = extent(x);
        if (far && end > start) make(start, end, lane);
        else if (!far && takesPoints()) make(timeAt(fromX), timeAt(fromX), lane);
      });
    },
    cancel() {
      work.show(before);
      work.select(null);
    },
  };
}

function zoom(factor: number): void {
  const mark = work.selectedMark.value as Segment | null;
  look(factor, mark === null ? (seen.value.from + seen.value.to) / 2 : (mark.start + mark.end) / 2, 0);
}

function look(factor: number, around: number, by: number): void {
  const whole = wholeOf(series.value);
  const least = Math.min(SEEN_SAMPLES_MIN * (series.value?.step ?? 0), whole.to - whole.from);
  const next = viewed(seen.value, whole, least, factor, around, by);
  seenAt.value = next.to - next.from >= whole.to - whole.from ? null : next;
}

function resetZoom(): void {
  seenAt.value = null;
}

function perPixel(): number {
  return (seen.value.to - seen.value.from) / Math.max(1, width.value);
}

/** The nearest sample of the clock, inside the recording. */
function onSample(time: number): number {
  const { from, to } = wholeOf(series.value);
  const step = series.value?.step ?? 1;
  const sample = Math.round((Math.min(Math.max(time, from), to) - from) / step);
  return Number((from + sample * step).toPrecision(PRECISION));
}

effect(() => {
  void work.begun.value;
  seenAt.value = null;
});
