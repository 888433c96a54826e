// One finger, pen or mouse draws and moves; two fingers, the wheel or the middle button zoom and pan.

/** CSS pixels from the surface's corner. */
export interface Point {
  x: number;
  y: number;
}

/** What follows a pointer from the press until it is let go. */
export interface Drag {
  move(at: Point): void;
  /** `moved`: far enough that it was no click. */
  end(at: Point, moved: boolean): void;
  /** A second finger came: what was begun is not meant. */
  cancel(): void;
}

export interface Hand {
  press(at: Point, on: Element): Drag | null;
  /** Zooms around a point and pans by a distance. */
  view(factor: number, around: Point, by: Point): void;
}

/** A press that moves less is a click. */
const CLICK_PX = 4;
const ZOOM_PER_PX = 0.0015;
const NOWHERE: Point = { x: 0, y: 0 };

/** Handlers for one surface. Make them once: they know the pointers that are down. */
export function gestures(hand: Hand) {
  const down = new Map<number, Point>();
  let drag: { follow: Drag; from: Point; moved: boolean } | null = null;
  let panning = false;

  const pressed = (event: PointerEvent) => {
    const surface = event.currentTarget as Element;
    // A button on the surface is no part of it.
    if (event.button > 1 || (event.target as Element).closest("button") !== null) return;
    event.preventDefault();
    (surface as SVGElement).focus({ preventScroll: true });
    surface.setPointerCapture(event.pointerId);
    const at = place(event);
    down.set(event.pointerId, at);
    panning = event.button === 1 || down.size > 1;
    if (panning) {
      drag?.follow.cancel();
      drag = null;
      return;
    }
    const follow = hand.press(at, event.target as Element);
    drag = follow && { follow, from: at, moved: false };
  };

  const moved = (event: PointerEvent) => {
    const before = down.get(event.pointerId);
    if (before === undefined) return;
    const at = place(event);
    if (panning) {
      const still = [...down].find(([id]) => id !== event.pointerId)?.[1];
      if (still === undefined) hand.view(1, at, { x: at.x - before.x, y: at.y - before.y });
      else pinch(before, at, still);
    } else if (drag !== null) {
      drag.moved ||= distance(at, drag.from) >= CLICK_PX;
      if (drag.moved) drag.follow.move(at);
    }
    down.set(event.pointerId, at);
  };

  const pinch = (before: Point, at: Point, still: Point) => {
    const factor = distance(at, still) / Math.max(1, distance(before, still));
    const by = { x: (at.x - before.x) / 2, y: (at.y - before.y) / 2 };
    hand.view(factor, { x: (at.x + still.x) / 2, y: (at.y + still.y) / 2 }, by);
  };

  const released = (event: PointerEvent) => {
    if (!down.delete(event.pointerId)) return;
    if (drag !== null) {
      if (event.type === "pointerup") drag.follow.end(place(event), drag.moved);
      else drag.follow.cancel();
    }
    drag = null;
    if (down.size === 0) panning = false;
  };

  const wheeled = (event: WheelEvent) => {
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      hand.view(1, NOWHERE, { x: -(event.deltaX || event.deltaY), y: 0 });
    } else {
      hand.view(Math.exp(-event.deltaY * ZOOM_PER_PX), place(event), NOWHERE);
    }
  };

  return {
    onPointerDown: pressed,
    onPointerMove: moved,
    onPointerUp: released,
    onPointerCancel: released,
    onWheel: wheeled,
  };
}

/** A part of a line: what is seen of an image's width or height, or of a recording's time. */
export interface Stretch {
  from: number;
  to: number;
}

/** Another part of `whole`: `factor` times as near around `around`, moved by `by`. */
export function viewed(seen: Stretch, whole: Stretch, least: number, factor: number, around: number, by = 0): Stretch {
  const length = Math.min(Math.max((seen.to - seen.from) / factor, least), whole.to - whole.from);
  const share = (around - seen.from) / (seen.to - seen.from);
  const wanted = around - share * length - by;
  const from = Math.min(Math.max(wanted, whole.from), whole.to - length);
  return { from, to: from + length };
}

function place(event: MouseEvent): Point {
  const { left, top } = (event.currentTarget as Element).getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
