// Boxes and polygons over an image, from the keyboard and the pointer. Percent in the label, pixels on screen.

import { batch, computed, effect, signal } from "@preact/signals";
import type { Command, Kind } from "../command";
import type { Corner, Field, Reference, Region } from "../contract";
import * as deck from "../deck";
import { viewed, type Drag, type Point, type Stretch } from "../gestures";
import { sameMark, taskOf } from "../label";
import { say } from "../say";
import * as work from "../work";
import { boundsOf, boxBetween, inside, movedRegion, overlap, partsOf } from "./geometry";
import { deselect, markCommands, relabelOrBrush, zoomCommands } from "./marks";

/** Two readers mean the same region when they share this much of what both cover. */
const ALIKE_OVERLAP = 0.5;
/** The nearest view, in pixels of the image. */
const SEEN_PX_MIN = 16;
const CORNERS_MIN = 3;
const CORNERS_MAX = 1000;
/** A click this near the first corner closes a polygon, in pixels of the screen. */
const CLOSE_PX = 14;
const LONG_STEP = 10;

/** Corners of the polygon under way, in percent; null while none is. */
export const drawing = signal<Corner[] | null>(null);
/** Where the keyboard puts the next corner. */
export const crosshair = signal<Corner>([50, 50]);
/** What is seen of the image, in its pixels; null for all of it. */
const seenAt = signal<{ x: Stretch; y: Stretch } | null>(null);

const field = computed<Field | null>(() => {
  const task = taskOf(deck.project.value);
  if (task.kind !== "regions") return null;
  return deck.current.value?.fields.find(({ name }) => name === task.field) ?? null;
});
export const size = computed(() => sizeOf(field.value?.value));
export const seen = computed(
  () => seenAt.value ?? { x: { from: 0, to: size.value.width }, y: { from: 0, to: size.value.height } },
);

export const regions: Kind = {
  digits: "Give the selected region a class, or choose the class of the next one",
  choose: relabelOrBrush,
  confirm() {
    if (drawing.value === null) return false;
    addCorner(crosshair.value);
    return true;
  },
  cancel() {
    if (drawing.value === null) return deselect();
    drawing.value = null;
    return true;
  },
  describe(mark) {
    const [x, y, width, height] = boundsOf(mark as Region).map((value, place) =>
      Math.round((value / 100) * (place % 2 === 0 ? size.value.width : size.value.height)),
    );
    return `${"box" in mark ? "box" : "polygon"} ${width} × ${height} at ${x}, ${y}`;
  },
  alike: (a, b) => a.class === b.class && (sameMark(a, b) || overlap(a as Region, b as Region) >= ALIKE_OVERLAP),
  commands: [
    {
      keys: ["b"],
      caps: ["B"],
      title: "New box in the middle of what is seen",
      tool: "New box",
      run: newBox,
      available: () => allows("box"),
      enabled: () => drawing.value === null,
    },
    {
      keys: ["p"],
      caps: ["P"],
      title: "Draw a polygon: click or press enter for each corner; P again closes it",
      tool: "Polygon",
      run: () => (drawing.value === null ? startPolygon() : close()),
      available: () => allows("polygon"),
    },
    {
      keys: ["backspace", "ctrl+z"],
      caps: ["Backspace"],
      title: "Take the last corner back while drawing",
      run: () => {
        drawing.value = drawing.value!.length === 0 ? null : drawing.value!.slice(0, -1);
      },
      enabled: () => drawing.value !== null,
    },
    ...markCommands("region"),
    {
      keys: ["e"],
      caps: ["E"],
      title: "Take the next corner or edge, then all of it again; the arrows move it",
      tool: "Corner",
      run: nextPart,
      onSelection: true,
    },
    ...arrows(),
    ...zoomCommands("The whole image", zoom, resetZoom, () => seenAt.value !== null),
  ],
};

export function sizeOf(value: Field["value"] | undefined): { width: number; height: number } {
  const { width = 0, height = 0 } = typeof value === "object" && value !== null ? (value as Reference) : {};
  return { width: Math.max(1, width), height: Math.max(1, height) };
}

/** What a press of the pointer begins. */
export function press(at: Point, on: Element, perPixel: number): Drag | null {
  const from = percent(onImage(at, perPixel));
  if (drawing.value !== null) return corner(from, perPixel);
  const handle = on.getAttribute("data-part");
  if (handle !== null) return grab(work.selected.value!, Number(handle), from, perPixel);
  const index = on.getAttribute("data-mark");
  if (index !== null) {
    if (work.selected.value !== Number(index)) work.select(Number(index));
    return grab(Number(index), null, from, perPixel);
  }
  return allows("box") ? newByDrag(from, perPixel) : click(() => work.select(null));
}

/** Zooms and pans by the pointer. */
export function view(factor: number, around: Point, by: Point, perPixel: number): void {
  const { x, y } = onImage(around, perPixel);
  look(factor, x, y, by.x * perPixel, by.y * perPixel);
}

function allows(shape: "box" | "polygon"): boolean {
  const task = taskOf(deck.project.value);
  return task.kind === "regions" && task.shapes.includes(shape);
}

function newBox(): void {
  const { x, y } = seen.value;
  const quarter = (part: Stretch, share: number) => part.from + (part.to - part.from) * share;
  const from = percent({ x: quarter(x, 0.375), y: quarter(y, 0.375) });
  const to = percent({ x: quarter(x, 0.625), y: quarter(y, 0.625) });
  work.add({ class: work.brush.value, box: boxBetween(from, to) });
  say("New box. The arrows move it, E takes a corner.");
}

function nextPart(): void {
  const mark = work.selectedMark.value as Region;
  const next = (work.part.value ?? -1) + 1;
  work.part.value = next < partsOf(mark).length ? next : null;
  say(work.part.value === null ? "All of it." : `Corner or edge ${next + 1} of ${partsOf(mark).length}.`);
}

function startPolygon(): void {
  const { x, y } = seen.value;
  drawing.value = [];
  crosshair.value = percent({ x: (x.from + x.to) / 2, y: (y.from + y.to) / 2 });
  work.select(null);
  say("Polygon: arrows move the cross, enter sets a corner, P closes.");
}

function addCorner(at: Corner): void {
  const corners = drawing.value;
  if (corners === null || corners.length >= CORNERS_MAX) return;
  drawing.value = [...corners, at];
  say(`${corners.length + 1} corners.`);
}

function close(): void {
  const corners = drawing.value ?? [];
  if (corners.length < CORNERS_MIN) return say(`A polygon has ${CORNERS_MIN} corners or more.`);
  batch(() => {
    drawing.value = null;
    work.add({ class: work.brush.value, polygon: corners });
  });
}

function arrows(): Command[] {
  const ways: [string, number, number][] = [
    ["arrowleft", -1, 0],
    ["arrowright", 1, 0],
    ["arrowup", 0, -1],
    ["arrowdown", 0, 1],
  ];
  return ways.flatMap(([key, x, y], place) => [
    arrow(key, ["← → ↑ ↓"], place === 0 ? "Move what is selected, or the view, by a pixel" : "", x, y),
    arrow(
      `shift+${key}`,
      ["Shift", "← → ↑ ↓"],
      place === 0 ? "… by ten pixels" : "",
      x * LONG_STEP,
      y * LONG_STEP,
    ),
  ]);
}

function arrow(key: string, caps: string[], title: string, x: number, y: number): Command {
  return { keys: [key], caps, title, run: () => nudge(x, y), repeats: true, onItem: true };
}

function nudge(x: number, y: number): void {
  const { width, height } = size.value;
  const by: Corner = [(x / width) * 100, (y / height) * 100];
  const mark = work.selectedMark.value;
  if (drawing.value !== null) {
    crosshair.value = [inside(crosshair.value[0] + by[0]), inside(crosshair.value[1] + by[1])];
    follow(crosshair.value);
  } else if (mark !== null) {
    const to = movedRegion(mark as Region, work.part.value, by, onePixel());
    work.change(to, `nudge${work.part.value}`);
    follow(partsOf(to)[work.part.value ?? 0]!);
  } else {
    const { x: across } = seen.value;
    const step = ((across.to - across.from) / 100) * 2;
    look(1, 0, 0, -x * step, -y * step);
  }
}

/** Moves the view as far as a point needs to be seen. */
function follow(at: Corner): void {
  const { x, y } = seen.value;
  const { width, height } = size.value;
  const outside = (value: number, { from, to }: Stretch) => Math.min(0, value - from) + Math.max(0, value - to);
  look(1, 0, 0, -outside((at[0] / 100) * width, x), -outside((at[1] / 100) * height, y));
}

function zoom(factor: number): void {
  const { x, y } = seen.value;
  const at = work.selectedMark.value === null ? null : partsOf(work.selectedMark.value as Region)[0]!;
  const { width, height } = size.value;
  const centre = at ?? percent({ x: (x.from + x.to) / 2, y: (y.from + y.to) / 2 });
  look(factor, (centre[0] / 100) * width, (centre[1] / 100) * height, 0, 0);
}

function look(factor: number, x: number, y: number, dx: number, dy: number): void {
  const { width, height } = size.value;
  const least = Math.min(SEEN_PX_MIN, width, height);
  const ratio = height / width;
  const now = seen.value;
  const across = viewed(now.x, { from: 0, to: width }, least, factor, x, dx);
  // The height follows the width, so that pixels stay square.
  const grown = (now.x.to - now.x.from) / (across.to - across.from);
  const down = viewed(now.y, { from: 0, to: height }, least * ratio, grown, y, dy);
  seenAt.value = across.to - across.from >= width ? null : { x: across, y: down };
}

function resetZoom(): void {
  seenAt.value = null;
}

function corner(from: Corner, perPixel: number): Drag {
  return click(() => {
    const first = drawing.value?.[0];
    const { width, height } = size.value;
    const near =
      first !== undefined &&
      Math.hypot(((first[0] - from[0]) / 100) * width, ((first[1] - from[1]) / 100) * height) < CLOSE_PX * perPixel;
    if (near && drawing.value!.length >= CORNERS_MIN) close();
    else addCorner(from);
  });
}

/** Moves a region, or a part of it, until the pointer lets go. */
function grab(index: number, part: number | null, from: Corner, perPixel: number): Drag {
  const before = work.label.value;
  const mark = work.marks.value[index] as Region;
  work.part.value = part;
  const at = (point: Point) => {
    const [x, y] = percent(onImage(point, perPixel));
    return movedRegion(mark, part, [x - from[0], y - from[1]], onePixel());
  };
  return {
    move: (point) => work.preview(index, at(point)),
    end(point, moved) {
      if (!moved) return;
      work.show(before);
      work.change(at(point));
    },
    cancel: () => work.show(before),
  };
}

function newByDrag(from: Corner, perPixel: number): Drag {
  const before = work.label.value;
  const at = (point: Point) => boxBetween(from, percent(onImage(point, perPixel)));
  const index = work.marks.value.length;
  return {
    move(point) {
      batch(() => {
        work.show(before);
        if (before !== null && "regions" in before) {
          work.show({ regions: [...before.regions, { class: work.brush.value, box: at(point) }] });
        }
        work.select(index);
      });
    },
    end(point, moved) {
      batch(() => {
        work.show(before);
        work.select(null);
        const box = at(point);
        if (moved && box[2] > 0 && box[3] > 0) work.add({ class: work.brush.value, box });
      });
    },
    cancel() {
      work.show(before);
      work.select(null);
    },
  };
}

function click(run: () => void): Drag {
  return { move() {}, end: (_, moved) => !moved && run(), cancel() {} };
}

function onImage({ x, y }: Point, perPixel: number): Point {
  return { x: seen.value.x.from + x * perPixel, y: seen.value.y.from + y * perPixel };
}

function percent({ x, y }: Point): Corner {
  return [inside((x / size.value.width) * 100), inside((y / size.value.height) * 100)];
}

function onePixel(): Corner {
  return [100 / size.value.width, 100 / size.value.height];
}

effect(() => {
  void work.begun.value;
  batch(() => {
    drawing.value = null;
    seenAt.value = null;
  });
});
