// Boxes and polygons in percent of an image: their parts, how they move, how far they agree.

import type { Box, Corner, Region } from "../contract";

/** The handles of a box as shares of its width and height, the most used one first. */
export const BOX_HANDLES: readonly Corner[] = [
  [1, 1], [1, 0.5], [1, 0], [0.5, 0], [0, 0], [0, 0.5], [0, 1], [0.5, 1],
];
const WHOLE = 100;
/** Lines across the height of two shapes along which their overlap is measured: as many as the agent's. */
const LINES = 64;
/** Digits kept: a hundredth of a pixel in an image 10,000 pixels wide. */
const DIGITS = 1e6;

/** Where a region can be taken hold of: a box's handles, a polygon's corners. */
export function partsOf(region: Region): Corner[] {
  if ("polygon" in region) return region.polygon;
  const [x, y, width, height] = region.box;
  return BOX_HANDLES.map(([across, down]) => [x + across * width, y + down * height]);
}

/** The region with one part, or all of it, moved; it stays inside the image and `least` wide. */
export function movedRegion(region: Region, part: number | null, by: Corner, least: Corner): Region {
  if ("polygon" in region) {
    const [dx, dy] = part === null ? kept(region.polygon, by) : by;
    const polygon = region.polygon.map(([x, y], index): Corner =>
      part === null || part === index ? [inside(x + dx), inside(y + dy)] : [x, y],
    );
    return { ...region, polygon };
  }
  const handle = part === null ? null : BOX_HANDLES[part]!;
  const [x, width] = movedSide(region.box[0], region.box[2], handle?.[0], by[0], least[0]);
  const [y, height] = movedSide(region.box[1], region.box[3], handle?.[1], by[1], least[1]);
  return { ...region, box: [x, y, width, height] };
}

/** The box between two corners. */
export function boxBetween([x1, y1]: Corner, [x2, y2]: Corner): Box {
  const [left, top] = [inside(Math.min(x1, x2)), inside(Math.min(y1, y2))];
  return [left, top, tidy(inside(Math.max(x1, x2)) - left), tidy(inside(Math.max(y1, y2)) - top)];
}

export function boundsOf(region: Region): Box {
  if ("box" in region) return region.box;
  const [xs, ys] = [region.polygon.map(([x]) => x), region.polygon.map(([, y]) => y)];
  return boxBetween([Math.min(...xs), Math.min(...ys)], [Math.max(...xs), Math.max(...ys)]);
}

/** A region's outline. */
export function cornersOf(region: Region): Corner[] {
  if ("polygon" in region) return region.polygon;
  const [x, y, width, height] = region.box;
  return [
    [x, y],
    [x + width, y],
    [x + width, y + height],
    [x, y + height],
  ];
}

/**
 * Intersection over union: exact for boxes; else measured along lines, with the even-odd rule for
 * outlines that cross themselves. As in the agent's `label::agree`: both say the same of two readings.
 */
export function overlap(a: Region, b: Region): number {
  if ("box" in a && "box" in b) {
    const side = (at: 0 | 1) => common([a.box[at], a.box[at] + a.box[at + 2]!], [b.box[at], b.box[at] + b.box[at + 2]!]);
    const shared = side(0) * side(1);
    return shared / (a.box[2] * a.box[3] + b.box[2] * b.box[3] - shared || 1);
  }
  const outlines = [cornersOf(a), cornersOf(b)] as const;
  const heights = outlines.flat().map(([, y]) => y);
  const top = Math.min(...heights);
  const step = (Math.max(...heights) - top) / LINES;
  let [both, all] = [0, 0];
  for (let line = 0; line < LINES; line += 1) {
    const y = top + step * (line + 0.5);
    const [left, right] = [crossings(outlines[0], y), crossings(outlines[1], y)];
    const shared = common(left, right);
    both += shared;
    all += common(left, left) + common(right, right) - shared;
  }
  return both / (all || 1);
}

/** Where a closed line crosses a height, ascending: inside is from the first to the second, and so on. */
function crossings(corners: Corner[], y: number): number[] {
  return corners
    .flatMap(([x1, y1], at) => {
      const [x2, y2] = corners[(at + 1) % corners.length]!;
      return y1 <= y === y2 <= y ? [] : [x1 + ((x2 - x1) * (y - y1)) / (y2 - y1)];
    })
    .sort((one, other) => one - other);
}

/** Length of what two ascending lists of stretches have in common. */
function common(a: number[], b: number[]): number {
  let sum = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    sum += Math.max(0, Math.min(a[i + 1]!, b[j + 1]!) - Math.max(a[i]!, b[j]!));
    if (a[i + 1]! < b[j + 1]!) i += 2;
    else j += 2;
  }
  return sum;
}

/** One dimension of a box: all of it moves (no handle), its far edge (1), its near edge (0), or none. */
function movedSide(
  from: number,
  length: number,
  handle: number | undefined,
  by: number,
  least: number,
): [number, number] {
  if (handle === undefined) return [tidy(Math.min(Math.max(from + by, 0), WHOLE - length)), length];
  if (handle === 1) return [from, tidy(Math.max(Math.min(length + by, WHOLE - from), least))];
  if (handle === 0.5) return [from, length];
  const near = tidy(Math.min(Math.max(from + by, 0), from + length - least));
  return [near, tidy(from + length - near)];
}

/** As much of a move as keeps every corner inside. */
function kept(corners: Corner[], by: Corner): Corner {
  return [0, 1].map((axis) => {
    const values = corners.map((corner) => corner[axis]!);
    return Math.min(Math.max(by[axis]!, -Math.min(...values)), WHOLE - Math.max(...values));
  }) as Corner;
}

export function inside(value: number): number {
  return tidy(Math.min(Math.max(value, 0), WHOLE));
}

function tidy(value: number): number {
  return Math.round(value * DIGITS) / DIGITS;
}
