// Projects and items of every kind of label, made up here: texts, a picture, a recording.

import { deflateSync } from "node:zlib";

export const NOTE =
  "Pt [NAME:0123456789abcdef] 👩🏽‍⚕️ started metformin 500 mg for diabetes in 2019; since then nausea and de\u0301ja\u0300 vu. " +
  "Aspirin was stopped because of bleeding. حساسية من البنسلين منذ الطفولة. Naïve to insulin, lisinopril 10 mg daily.";

/** Code points of a phrase of the note, as the agent counts them. */
export function points(phrase, text = NOTE) {
  const at = text.indexOf(phrase);
  if (at < 0) throw new Error(`no ${phrase}`);
  const start = [...text.slice(0, at)].length;
  return { start, end: start + [...phrase].length };
}

const span = (phrase, index) => ({ ...points(phrase), class: index });
const text = (name, title, value) => ({ name, title, value, unit: "", kind: "text" });
const value = (name, title, shown, unit = "") => ({ name, title, value: shown, unit, kind: "number" });

const KINDS = {
  classes: {
    title: "Topics of a note",
    task: { kind: "classes" },
    classes: ["Medication", "Allergy", "Symptom", "Family history"].map((name) => ({ name, description: `The note speaks of ${name.toLowerCase()}.` })),
    fields: () => [value("age", "Age", 63, "years"), text("note", "Note", NOTE)],
    prelabel: { label: { classes: [0, 2] }, confidence: 0.81 },
    readings: [{ label: { classes: [0, 2] } }, { label: { classes: [0, 1] } }],
  },
  spans: {
    title: "Drugs and what they are for",
    task: { kind: "spans", field: "note", relations: ["treats", "causes"] },
    classes: [
      { name: "Drug", description: "A substance that is given.", key: "d", colour: "#0b7285" },
      { name: "Condition", description: "A disease or a complaint.", colour: "#c2255c" },
      { name: "Dose", description: "An amount with its unit." },
    ],
    fields: () => [value("age", "Age", 63, "years"), text("note", "Note", NOTE)],
    prelabel: {
      label: {
        spans: [span("metformin", 0), span("500 mg", 2), span("diabetes", 1), span("nausea", 1), span("Aspirin", 0)],
        relations: [{ from: 0, to: 2, relation: 0 }],
      },
      confidence: 0.74,
    },
    readings: [
      { label: { spans: [span("metformin", 0), span("diabetes", 1), span("Aspirin", 0), span("bleeding", 1)], relations: [{ from: 0, to: 1, relation: 0 }] } },
      { label: { spans: [span("metformin", 0), span("diabetes", 1), span("Aspirin", 0), span("البنسلين", 0)], relations: [] } },
    ],
  },
  regions: {
    title: "Cells in a smear",
    task: { kind: "regions", field: "scan", shapes: ["box", "polygon"] },
    classes: [
      { name: "White cell", description: "With a nucleus.", colour: "#5f3dc4" },
      { name: "Red cell", description: "Without a nucleus." },
      { name: "Platelet", description: "Small." },
    ],
    fields: (item) => [value("age", "Age", 63, "years"), picture("scan", "Smear", item)],
    prelabel: {
      label: { regions: [{ class: 0, box: [35, 30, 22, 28] }, { class: 1, box: [8, 12, 13, 17] }, { class: 1, polygon: [[70, 60], [82, 57], [86, 72], [74, 78]] }] },
      confidence: 0.9,
    },
    readings: [
      { label: { regions: [{ class: 0, box: [35, 30, 22, 28] }, { class: 1, box: [8, 12, 13, 17] }] } },
      { label: { regions: [{ class: 0, box: [36, 31, 21, 28] }, { class: 2, box: [70, 60, 10, 12] }] } },
    ],
  },
  segments: {
    title: "Rhythm",
    task: { kind: "segments", field: "ecg", points: true },
    classes: [
      { name: "Premature beat", description: "Earlier than expected.", colour: "#c92a2a" },
      { name: "Noise", description: "Not to be judged." },
    ],
    fields: (item) => [
      value("age", "Age", 63, "years"),
      { name: "ecg", title: "Two leads", value: { url: `/api/items/${item}/fields/ecg` }, unit: "", kind: "series" },
    ],
    prelabel: { label: { segments: [{ class: 0, start: 12.4, end: 14.2, channel: 0 }, { class: 1, start: 30, end: 36 }] }, confidence: 0.66 },
    readings: [
      { label: { segments: [{ class: 0, start: 12.4, end: 14.2, channel: 0 }, { class: 1, start: 30, end: 36 }] } },
      { label: { segments: [{ class: 0, start: 12.5, end: 14.3, channel: 0 }, { class: 0, start: 48, end: 48 }] } },
    ],
  },
  preference: {
    title: "Which answer is better?",
    task: { kind: "preference", fields: ["a", "b"] },
    classes: ["First", "Second", "Tie"].map((name) => ({ name, description: "" })),
    fields: () => [
      text("question", "Question", "May a patient who takes metformin have contrast medium?"),
      text("a", "Answer A", "Yes, if kidney function is normal. With an eGFR below 30 it is stopped before and for 48 hours after.\n\nFluids help in either case."),
      text("b", "Answer B", "No. Metformin and contrast medium must never be combined."),
    ],
    prelabel: { label: { class: 0 }, confidence: 0.88 },
    readings: [{ label: { class: 0 } }, { label: { class: 2 } }],
  },
};
KINDS.class = { title: "Heart disease", task: undefined, classes: undefined, fields: undefined };

export const KIND_NAMES = Object.keys(KINDS);

/** Gives an agent a project of a kind, with `count` items; `change` says what is special about one. */
export function prepareKind(agent, kind, { count = 30, change = () => ({}), samples = 20_000, classes: keyed = (all) => all } = {}) {
  const { title, task, classes, fields, prelabel } = KINDS[kind];
  if (fields === undefined) return;
  Object.assign(agent, { title, task, classes: keyed(classes) });
  agent.files.set("scan", { type: "image/png", body: smear(640, 480) });
  agent.files.set("ecg", { type: "application/json", body: JSON.stringify(recording(samples)) });
  agent.items = Array.from({ length: count }, (_, index) => {
    const item = (index + 1).toString(16).padStart(32, "0");
    return {
      item,
      queue: "annotator",
      fields: [...fields(item), value("number", "Item", index + 1)],
      prelabel,
      blind: false,
      why: "confidence 0.74",
      bundle: "b3f09c21",
      campaign: null,
      ...change(index),
    };
  });
}

/** What makes an item an expert's. */
export function toSettle(kind) {
  return { queue: "expert", prelabel: null, why: "the readers disagree", readings: KINDS[kind].readings };
}

function picture(name, title, item) {
  return { name, title, value: { url: `/api/items/${item}/fields/${name}`, width: 640, height: 480 }, unit: "", kind: "image" };
}

/** Two leads of heartbeats with one early beat, some noise and a gap. */
export function recording(samples) {
  const step = 60 / samples;
  const beat = (time, lead) => {
    const phase = (time % 0.85) / 0.85;
    const early = time > 12.5 && time < 14 ? 0.35 : 0;
    const bump = (at, width, height) => height * Math.exp(-(((phase - at) / width) ** 2));
    const noise = time > 30 && time < 36 ? 0.4 * Math.sin(time * 611) : 0.03 * Math.sin(time * 977);
    return (bump(0.2, 0.04, 0.15) + bump(0.38 - early, 0.015, 1.1) - bump(0.42, 0.02, 0.3) + bump(0.65, 0.06, 0.3)) * (lead === 0 ? 1 : -0.7) + noise;
  };
  const values = (lead) =>
    Array.from({ length: samples }, (_, at) => (lead === 1 && at * step > 44 && at * step < 46 ? null : Number(beat(at * step, lead).toFixed(3))));
  return {
    clock: { start: 0, step, unit: "s" },
    channels: [
      { name: "II", unit: "mV", values: values(0) },
      { name: "V5", unit: "mV", values: values(1) },
    ],
  };
}

/** A picture of cells as PNG, without any library. */
export function smear(width, height) {
  const cells = [[0.46, 0.44, 60, 1]];
  for (let at = 0; at < 26; at += 1) cells.push([((at * 67) % 100) / 100, ((at * 41 + 13) % 100) / 100, 30 + (at % 4) * 3, 0]);
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let colour = [236, 226, 222];
      for (const [cx, cy, radius, white] of cells) {
        const away = Math.hypot(x - cx * width, y - cy * height) / radius;
        if (away < 1) colour = white ? (away < 0.6 ? [96, 62, 140] : [196, 178, 214]) : [208 + 20 * (1 - away), 128 + 50 * (1 - away), 128];
      }
      rows.set(colour.map(Math.round), y * (1 + width * 3) + 1 + x * 3);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc(body), body.length + 4);
  return framed;
}

/** CRC-32 as PNG wants it. */
function crc(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
}
