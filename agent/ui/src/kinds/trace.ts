// Draws what is seen of a recording: one lane a channel, the lowest and highest value of every pixel.

import type { Channel, Series } from "../assets";
import type { Stretch } from "../gestures";

/** Pixels of a lane that its name needs above the trace. */
export const NAME_PX = 18;
const MARGIN_PX = 6;
/** Digits that survive the arithmetic of a scale. */
const DIGITS = 12;
const FULL_CIRCLE = 2 * Math.PI;
/** With fewer samples a pixel than this, the samples themselves are joined. */
const DENSE = 2;
/** Samples of which the lowest and the highest are known beforehand. */
const BLOCK = 16;
/** With more samples a pixel than this, whole blocks are drawn: a peak is at most a quarter of a pixel off. */
const COARSE = 4 * BLOCK;

export interface Look {
  width: number;
  laneHeight: number;
  ink: string;
  line: string;
}

/** Paints the lanes into a canvas that is as large as `look` says, in CSS pixels. */
export function drawTraces(canvas: HTMLCanvasElement, series: Series, seen: Stretch, look: Look): void {
  const ratio = devicePixelRatio || 1;
  const [width, height] = [look.width, look.laneHeight * series.channels.length];
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  if (pen === null) return;
  pen.scale(ratio, ratio);
  series.channels.forEach((channel, lane) => {
    const top = lane * look.laneHeight;
    pen.strokeStyle = look.line;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(0, top + look.laneHeight - 0.5);
    pen.lineTo(width, top + look.laneHeight - 0.5);
    pen.stroke();
    pen.strokeStyle = pen.fillStyle = look.ink;
    drawTrace(pen, channel, series, seen, { top: top + NAME_PX, width, height: look.laneHeight - NAME_PX - MARGIN_PX });
  });
}

/** The lowest and the highest values of a recording, sample by sample or block by block. */
export interface Bounds {
  lows: Float32Array;
  highs: Float32Array;
}

/** The lowest and highest value of each block of samples; NaN for one that is a gap. */
export function blocksOf(values: Float32Array): Bounds {
  const count = Math.ceil(values.length / BLOCK);
  const [lows, highs] = [new Float32Array(count), new Float32Array(count)];
  for (let block = 0; block < count; block += 1) {
    const range = lowHigh({ lows: values, highs: values }, block * BLOCK, (block + 1) * BLOCK);
    [lows[block], highs[block]] = range ?? [Number.NaN, Number.NaN];
  }
  return { lows, highs };
}

/** The lowest and highest value from one place up to another; null where there are none. */
export function lowHigh({ lows, highs }: Bounds, from: number, to: number): [number, number] | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let at = Math.max(0, from); at < to && at < lows.length; at += 1) {
    // NaN compares as false: a gap changes neither.
    if (lows[at]! < low) low = lows[at]!;
    if (highs[at]! > high) high = highs[at]!;
  }
  return low <= high ? [low, high] : null;
}

/** Round values that divide a stretch into at most `most` parts. */
export function ticks({ from, to }: Stretch, most: number): number[] {
  const rough = (to - from) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((nice) => nice * power).find((nice) => nice >= rough) ?? rough;
  const found: number[] = [];
  for (let place = Math.ceil(from / step); place * step <= to; place += 1) {
    found.push(Number((place * step).toPrecision(DIGITS)));
  }
  return found;
}

interface Lane {
  top: number;
  width: number;
  height: number;
}

function drawTrace(pen: CanvasRenderingContext2D, channel: Channel, series: Series, seen: Stretch, lane: Lane): void {
  const { values, blocks, range } = channel;
  // The range of the whole channel: zooming does not change its scale.
  if (range === null) return;
  const [low, high] = range;
  const scale = high > low ? lane.height / (high - low) : 0;
  const y = (value: number) => lane.top + lane.height - (value - low) * scale;
  const first = (seen.from - series.start) / series.step;
  const perPixel = (seen.to - seen.from) / series.step / lane.width;
  pen.beginPath();
  if (perPixel < DENSE) joinSamples(pen, values, first, perPixel, lane.width, y);
  else if (perPixel < COARSE) spanPixels(pen, { lows: values, highs: values }, first, perPixel, lane.width, y);
  else spanPixels(pen, blocks, first / BLOCK, perPixel / BLOCK, lane.width, y);
  pen.stroke();
}

function spanPixels(
  pen: CanvasRenderingContext2D,
  bounds: Bounds,
  first: number,
  perPixel: number,
  width: number,
  y: (value: number) => number,
): void {
  for (let pixel = 0; pixel < width; pixel += 1) {
    // One sample of the next pixel, too: the trace has no holes.
    const from = Math.floor(first + pixel * perPixel);
    const range = lowHigh(bounds, from, Math.floor(first + (pixel + 1) * perPixel) + 1);
    if (range === null) continue;
    pen.moveTo(pixel + 0.5, y(range[0]) + 0.5);
    pen.lineTo(pixel + 0.5, y(range[1]) - 0.5);
  }
}

function joinSamples(
  pen: CanvasRenderingContext2D,
  values: Float32Array,
  first: number,
  perPixel: number,
  width: number,
  y: (value: number) => number,
): void {
  const last = Math.min(values.length - 1, Math.ceil(first + width * perPixel));
  let joined = false;
  for (let at = Math.max(0, Math.floor(first)); at <= last; at += 1) {
    const value = values[at]!;
    const x = (at - first) / perPixel;
    if (Number.isNaN(value)) joined = false;
    else if (joined) pen.lineTo(x, y(value));
    else {
      // A sample between two gaps is a dot.
      pen.moveTo(x + 1, y(value));
      pen.arc(x, y(value), 1, 0, FULL_CIRCLE);
      pen.moveTo(x, y(value));
      joined = true;
    }
  }
}
