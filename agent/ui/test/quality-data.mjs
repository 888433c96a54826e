// What an agent says of some 600 labels of the heart-disease project, in the shape of its API.

import { makeItems } from "./fake-agent.mjs";

const known = (name, value, low, high) => ({ name, value, low, high });
const DAY_MS = 86_400_000;

export function makeReport(change = {}) {
  return {
    project: "heart-disease",
    made_at: Math.floor(Date.now() / 1000),
    classes: ["No disease", "Disease"],
    labeled: 612,
    cut: false,
    level: 0.95,
    agreement: {
      readers: {
        items: 124,
        coefficients: [
          known("Krippendorff’s α", 0.714, 0.588, 0.84),
          known("Gwet’s AC1", 0.718, 0.594, 0.842),
          known("Fleiss’ κ", 0.713, 0.587, 0.839),
          known("Cohen’s κ", 0.714, 0.591, 0.837),
          known("Same label", 0.857, 0.789, 0.91),
        ],
        matrix: [[0, 0, 58], [0, 1, 7], [1, 0, 11], [1, 1, 48]],
      },
      model: {
        items: 612,
        coefficients: [
          known("Krippendorff’s α", 0.641, 0.58, 0.702),
          known("Gwet’s AC1", 0.643, 0.582, 0.704),
          known("Fleiss’ κ", 0.641, 0.58, 0.702),
          known("Cohen’s κ", 0.642, 0.581, 0.703),
          known("Same label", 0.821, 0.789, 0.85),
        ],
        matrix: [[0, 0, 251], [0, 1, 63], [1, 0, 47], [1, 1, 251]],
      },
    },
    people: {
      shared: 131,
      disputed: 4,
      undefined: null,
      people: [
        person("ann", "annotator", 402, [[0, 0, 60], [0, 1, 3], [1, 0, 4], [1, 1, 58]]),
        person("bob", "annotator", 286, [[0, 0, 55], [0, 1, 6], [1, 0, 17], [1, 1, 41]]),
        person("chloé", "annotator", 31, [[0, 0, 9], [0, 1, 1], [1, 1, 8]]),
        { ...person("eve", "expert", 22, []), agreement: { undefined: "0 shared items, 5 are needed" } },
      ],
    },
    calibration: {
      bundle: "b3f09c21a7de",
      in_use: true,
      corrections: 612,
      undefined: null,
      error: 0.038,
      brier: 0.137,
      bins: [
        bin(0.5, 71, 0.56, 0.51),
        bin(0.6, 118, 0.65, 0.62),
        bin(0.7, 154, 0.75, 0.79),
        bin(0.8, 201, 0.85, 0.91),
        bin(0.9, 68, 0.93, 0.99),
      ],
    },
    acceptance: { mode: "nothing", demands: null, classes: [] },
    personal: null,
    synthetic: null,
    vacancies: [],
    progress: {
      stages: ["imported", "redacted", "accepted", "first", "second", "expert", "done"].map((stage, at) => ({
        stage,
        items: [0, 0, 96, 181, 9, 24, 588][at],
      })),
      days: Array.from({ length: 23 }, (_, at) => ({
        day: new Date(Date.now() - (22 - at) * DAY_MS).toISOString().slice(0, 10),
        first: at % 7 > 4 ? 0 : 14 + ((at * 13) % 22),
        second: at % 7 > 4 ? 0 : 3 + ((at * 5) % 8),
        expert: at % 7 > 4 ? 0 : (at * 3) % 4,
      })).filter(({ first }) => first > 0),
    },
    ...change,
  };
}

export function makeErrors(items = makeItems(8)) {
  return {
    labels: 612,
    estimated: 41,
    found: 34,
    undefined: null,
    items: items.map(({ item, fields }, at) => ({
      item,
      label: at % 2,
      by: at % 3 === 0 ? ["ann", "bob"] : ["bob"],
      labeled_at: Math.floor(Date.now() / 1000) - at * 90_000,
      suggested: 1 - (at % 2),
      confidence: 0.97 - at * 0.015,
      quality: 0.03 + at * 0.015,
      queued: at === 3,
      values: values(fields),
    })),
  };
}

export function makeNext(items = makeItems(10).slice(2), strategy = "margin") {
  return {
    strategy,
    waiting: 205,
    labels: 612,
    undefined: null,
    items: items.map(({ item, fields }, at) => ({
      item,
      suggested: at % 2,
      confidence: 0.502 + at * 0.006,
      margin: 0.004 + at * 0.012,
      alike: at === 1 ? 3 : 0,
      queue: at < 3 ? "expert" : "annotator",
      values: values(fields),
    })),
  };
}

/** What a site has on its first day. */
export function makeEmpty() {
  const few = (items, are) => ({
    items,
    coefficients: ["Krippendorff’s α", "Same label"].map((name) => ({
      name,
      undefined: `${items} items ${are}, 10 are needed`,
    })),
    matrix: [],
  });
  return makeReport({
    labeled: 0,
    agreement: { readers: few(0, "were read by two people"), model: few(0, "have a prelabel and a label") },
    people: { shared: 0, disputed: 0, undefined: null, people: [] },
    calibration: { bundle: null, in_use: false, corrections: 0, undefined: "no model is in use", error: null, brier: null, bins: [] },
    vacancies: [],
    progress: { stages: [], days: [] },
  });
}

/** With synthetic items, of which people saw through most. */
export function makeSynthetic() {
  const { readers } = makeReport().agreement;
  const judged = (items, value, low, high) => ({ items, readers, model: readers, generator: readers, looks_real: { value, low, high } });
  const synthetic = { items: 300, waiting: 216, validated: 84 };
  return makeReport({
    synthetic: { ...synthetic, made: judged(84, 0.31, 0.22, 0.41), real: judged(80, 0.9, 0.82, 0.95) },
  });
}

/** One class has earned acceptance, one lost it by its bound, one by drift, and others have yet to earn it. */
export function makeEarned() {
  const standing = (name, state, errors, audited, bound, change = {}) => ({
    ...{ class: name, state, threshold: state === "nothing" ? null : 0.94, audited, errors, bound, off_at: null },
    ...change,
  });
  const off_at = Date.UTC(2026, 10, 20, 12) / 1000;
  return makeReport({
    classes: ["Normal", "Premature beat", "Pause", "Noise", "Flutter", "Paced"],
    acceptance: {
      mode: "earned",
      demands: { error_max: 0.01, confidence: 0.95, audited_min: 546 },
      classes: [
        standing("Normal", "earned", 1, 912, 0.00519),
        standing("Premature beat", "off", 14, 1204, 0.0182, { off_at }),
        standing("Pause", "off", 3, 1800, 0.0043, { off_at, threshold: 0.97 }),
        standing("Noise", "nothing", 0, 120, 0.0247),
        standing("Flutter", "nothing", 31, 700, 0.0594),
      ],
    },
    personal: { share: 0.4, lessons: 318, held_out: 61, accuracy_global: 0.787, accuracy_personal: 0.836 },
  });
}

function person(name, role, labels, matrix) {
  const shared = matrix.reduce((sum, [, , count]) => sum + count, 0);
  const right = matrix.reduce((sum, [row, column, count]) => sum + (row === column ? count : 0), 0);
  return { name, role, labels, shared, agreement: share(right, shared), matrix };
}

function bin(from, count, confidence, right) {
  return { from, to: from + 0.1, count, confidence, right: share(right * count, count) };
}

/** Wilson's interval, near enough to the agent's for a picture. */
function share(right, all) {
  const z2 = 1.96 ** 2;
  const value = right / all;
  const centre = (value + z2 / (2 * all)) / (1 + z2 / all);
  const half = (1.96 / (1 + z2 / all)) * Math.sqrt((value * (1 - value)) / all + z2 / (4 * all * all));
  return { value, low: centre - half, high: centre + half };
}

function values(fields) {
  return fields
    .filter(({ value }) => value !== null)
    .slice(0, 4)
    .map(({ title, value, unit }) => ({ title, value: String(value), unit }));
}
