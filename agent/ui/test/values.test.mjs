// The parts of the page that need no browser: text, labels, shapes, traces.

import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "esbuild";
import { NOTE, points } from "./kinds-data.mjs";

const { Passage } = await load("text");
const { canonical, sameLabel } = await load("label");
const { boxBetween, movedRegion, overlap } = await load("kinds/geometry");
const { viewed } = await load("gestures");
const { blocksOf, lowHigh, ticks } = await load("kinds/trace");

test("code points and UTF-16 offsets are each other's inverse", () => {
  const passage = new Passage(NOTE);
  const all = [...NOTE];
  assert.ok(all.length < NOTE.length, "the note has code points of two units");
  for (let point = 0; point <= all.length; point += 1) {
    const offset = passage.fromPoints(point);
    assert.equal(offset, all.slice(0, point).join("").length);
    assert.equal(passage.toPoints(offset), point);
  }
  assert.equal(new Passage("plain").toPoints(3), 3);
});

test("graphemes are crossed as a whole, redacted values, too", () => {
  const passage = new Passage(NOTE);
  const edges = (phrase) => {
    const { start, end } = points(phrase);
    return [passage.fromPoints(start), passage.fromPoints(end)];
  };
  for (const phrase of ["[NAME:0123456789abcdef]", "👩🏽‍⚕️", "e\u0301", "a\u0300"]) {
    const [start, end] = edges(phrase);
    assert.equal(passage.after(start), end, phrase);
    assert.equal(passage.before(end), start, phrase);
    assert.deepEqual(passage.whole({ start: start + 1, end: end - (end - start > 2 ? 1 : 0) }), { start, end }, phrase);
  }
  assert.equal(passage.after(NOTE.length), NOTE.length);
  assert.equal(passage.before(0), 0);
});

test("a selection snaps to the words that it touches", () => {
  const snapped = (text, start, end) => {
    const extent = new Passage(text).snap({ start, end });
    return extent && text.slice(extent.start, extent.end);
  };
  assert.equal(snapped("one two three", 5, 6), "two");
  assert.equal(snapped("one two three", 2, 9), "one two three");
  assert.equal(snapped("don't stop", 1, 2), "don't");
  assert.equal(snapped("seen [DATE], twice", 7, 8), "[DATE]");
  assert.equal(snapped("one  two", 4, 5), null);
});

test("marks are in one order, each once, and relations still mean theirs", () => {
  const label = {
    spans: [{ start: 9, end: 12, class: 0 }, { start: 1, end: 3, class: 1 }, { start: 9, end: 12, class: 0 }],
    relations: [{ from: 2, to: 1, relation: 0 }, { from: 0, to: 1, relation: 0 }, { from: 0, to: 2, relation: 0 }],
  };
  assert.deepEqual(canonical(label), {
    spans: [{ start: 1, end: 3, class: 1 }, { start: 9, end: 12, class: 0 }],
    relations: [{ from: 1, to: 0, relation: 0 }],
  });
  assert.ok(sameLabel({ classes: [2, 0] }, { classes: [0, 2, 2] }));
  assert.ok(sameLabel({ segments: [{ class: 0, start: 1, end: 2, channel: null }] }, { segments: [{ end: 2, start: 1, class: 0 }] }));
  assert.ok(!sameLabel({ segments: [{ class: 0, start: 1, end: 2, channel: 0 }] }, { segments: [{ class: 0, start: 1, end: 2 }] }));
});

test("regions stay inside the image and keep a size", () => {
  const region = { class: 0, box: [80, 10, 15, 20] };
  assert.deepEqual(movedRegion(region, null, [50, -50], [1, 1]).box, [85, 0, 15, 20]);
  assert.deepEqual(movedRegion(region, 0, [-50, 200], [1, 1]).box, [80, 10, 1, 90]);
  assert.deepEqual(movedRegion(region, 4, [5, 5], [1, 1]).box, [85, 15, 10, 15]);
  const polygon = { class: 0, polygon: [[10, 10], [20, 10], [20, 20]] };
  assert.deepEqual(movedRegion(polygon, null, [-15, 0], [1, 1]).polygon, [[0, 10], [10, 10], [10, 20]]);
  assert.deepEqual(movedRegion(polygon, 1, [5, 500], [1, 1]).polygon[1], [25, 100]);
  assert.deepEqual(boxBetween([30, 40], [10, 120]), [10, 40, 20, 60]);
});

test("regions overlap by their shapes, as the agent has it", () => {
  const close = (a, b, expected, error = 1e-9) => {
    for (const found of [overlap(a, b), overlap(b, a)]) {
      assert.ok(Math.abs(found - expected) < error, `${found} where ${expected} is right`);
    }
  };
  close({ box: [0, 0, 10, 10] }, { box: [5, 0, 10, 10] }, 1 / 3);
  close({ box: [0, 0, 10, 10] }, { box: [0, 0, 10, 5.07] }, 0.507);
  close({ box: [0, 0, 10, 10] }, { box: [20, 20, 10, 10] }, 0);
  close({ polygon: [[10, 10], [50, 10], [10, 50]] }, { box: [10, 10, 40, 40] }, 1 / 2);
  // Of two triangles with the same box around them, less than the boxes make believe.
  close({ polygon: [[0, 0], [40, 0], [0, 40]] }, { polygon: [[40, 0], [40, 40], [0, 40]] }, 0);
  const ellipse = (a, b) => {
    const angles = Array.from({ length: 40 }, (_, at) => (at / 20) * Math.PI);
    return { polygon: angles.map((angle) => [50 + a * Math.cos(angle), 50 + b * Math.sin(angle)]) };
  };
  close(ellipse(20, 10), ellipse(20, 20), 1 / 2, 0.01);
  // What lies between two squares, drawn in one line.
  const frame = [[0, 0], [40, 0], [40, 40], [0, 40], [0, 0], [10, 10], [10, 30], [30, 30], [30, 10], [10, 10]];
  close({ polygon: frame }, { box: [0, 0, 40, 40] }, 3 / 4);
});

test("zooming keeps what is under the pointer, and ends at the whole", () => {
  const whole = { from: 0, to: 100 };
  const near = viewed(whole, whole, 1, 4, 30);
  assert.equal(near.to - near.from, 25);
  assert.equal((30 - near.from) / 25, 0.3);
  assert.deepEqual(viewed(near, whole, 1, 0.01, 30), whole);
  assert.deepEqual(viewed(near, whole, 1, 1, 30, 1000), { from: 0, to: 25 });
  assert.equal(viewed(near, whole, 10, 100, 30).to - viewed(near, whole, 10, 100, 30).from, 10);
});

test("a trace shows the lowest and the highest value, and no gap as a value", () => {
  const samples = Float32Array.from([1, Number.NaN, -3, 7, Number.NaN]);
  const values = { lows: samples, highs: samples };
  assert.deepEqual(lowHigh(values, 0, 5), [-3, 7]);
  assert.deepEqual(lowHigh(values, 0, 2), [1, 1]);
  assert.equal(lowHigh(values, 4, 5), null);
  assert.equal(lowHigh(values, 9, 12), null);
  // Blocks of 16 samples: no peak is lost, and a gap stays one.
  const long = Float32Array.from({ length: 40 }, (_, at) => (at >= 16 && at < 32 ? Number.NaN : at));
  const blocks = blocksOf(long);
  assert.deepEqual([blocks.lows.length, lowHigh(blocks, 0, 1), lowHigh(blocks, 1, 2), lowHigh(blocks, 2, 3)], [3, [0, 15], null, [32, 39]]);
  assert.deepEqual(lowHigh(blocks, 0, 3), lowHigh({ lows: long, highs: long }, 0, 40));
  assert.deepEqual(ticks({ from: 0.2, to: 1 }, 4), [0.2, 0.4, 0.6, 0.8, 1]);
});

/** A module of the page, as node can run it. */
async function load(name) {
  const { outputFiles } = await build({
    entryPoints: [new URL(`../src/${name}.ts`, import.meta.url).pathname],
    bundle: true,
    format: "esm",
    write: false,
    logLevel: "warning",
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}
