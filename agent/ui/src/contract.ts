// What the agent's local API sends and takes. One place; the agent's `api` module is the other side.

export type Role = "annotator" | "expert" | "lead" | "steward" | "admin";

export interface Me {
  name: string;
  role: Role;
  site: string;
  /** Whether the role may see what surrogates stand for. */
  reveals?: boolean;
}

export interface Class {
  name: string;
  description: string;
  /** A letter that means this class, beside its digit. */
  key?: string;
  /** `#rrggbb`. */
  colour?: string;
}

/** What a label of the project is. */
export type Task =
  | { kind: "class" | "classes" }
  | { kind: "spans"; field: string; relations?: string[] }
  | { kind: "regions"; field: string; shapes: ("box" | "polygon")[] }
  | { kind: "segments"; field: string; points?: boolean }
  /** Two or three classes: the first, the second, and a tie. */
  | { kind: "preference"; fields: string[] };

export interface Project {
  name: string;
  title: string;
  version: number;
  instructions: string;
  classes: Class[];
  /** Absent where a label is one class. */
  task?: Task;
  /** Items waiting, by queue. */
  queues: Record<string, number>;
  /** Synthetic items; they have a queue of their own and count nowhere else. */
  synthetic: number;
  done: number;
  total: number;
  bundle: string | null;
  engine: string | null;
}

/** Where synthetic items are judged, mixed with real ones. */
export const SYNTHETIC = "synthetic";

export type FieldKind = "number" | "category" | "text" | "image" | "series";

/** Where the bytes of an image or a series are; the request needs the person's token. */
export interface Reference {
  url: string;
  /** Pixels; of images alone. */
  width?: number;
  height?: number;
}

export interface Field {
  /** As a task names it. */
  name?: string;
  title: string;
  /** Null when the source had no value. */
  value: string | number | Reference | null;
  unit: string;
  kind: FieldKind;
}

/** Channels on one clock. Values are numbers, or null where the recording has a gap. */
export interface SeriesBody {
  clock: { start: number; step: number; unit: string };
  channels: { name: string; unit: string; values: (number | null)[] }[];
}

/** Code points of the text, end exclusive. */
export interface Span {
  start: number;
  end: number;
  class: number;
}

/** Indices into the spans, and into the task's relations. */
export interface Relation {
  from: number;
  to: number;
  relation: number;
}

/** Percent of the image: x, y, width, height. */
export type Box = [number, number, number, number];
export type Corner = [number, number];
export type Region = { class: number } & ({ box: Box } | { polygon: Corner[] });

/** In the unit of the clock; a point ends where it starts. Without a channel it is about all of them. */
export interface Segment {
  class: number;
  start: number;
  end: number;
  channel?: number | null;
}

export type Mark = Span | Region | Segment;

/** The project's task decides which. */
export type Label =
  | { class: number }
  | { classes: number[] }
  | { spans: Span[]; relations: Relation[] }
  | { regions: Region[] }
  | { segments: Segment[] };

export interface Prelabel {
  label?: Label;
  /** Index into the project's classes, where a label is one of them. */
  class?: number;
  /** In [0, 1]; null where its maker does not say how sure it is. */
  confidence: number | null;
  /** By whose labels the confidence was fitted to how often it is right; null: by nobody's. */
  calibrated?: "model" | "site" | null;
  /** How sure its maker is of each mark, in the label's order; empty where it does not say. */
  scores?: (number | null)[];
}

export interface Note {
  verdict: "skip" | "flag";
  reason: Reason | null;
  comment: string | null;
}

/** An item as leased to this person. */
export interface Card {
  item: string;
  queue: string;
  fields: Field[];
  /** Null when the read is blind or no model is active. */
  prelabel: Prelabel | null;
  blind: boolean;
  /** What the readers said, in their order, for an expert to settle. */
  readings?: { label: Label }[];
  /** What was said by those who gave no label, for an expert. */
  notes?: Note[];
  why: string;
  bundle: string | null;
  campaign: string | null;
  /** RFC 3339. */
  lease_until: string;
}

export type Decision = "accept" | "correct" | "skip" | "flag";

/** Why an item is skipped. Another reason is what the comment says. */
export type Reason = "unclear" | "not_enough" | "wrong_kind" | "other";

export interface Annotation {
  /** Made by the page; sending the same key again never makes a second annotation. */
  key: string;
  /** Where a label is one class: its index; null where a skip or a flag comes without one. */
  class?: number | null;
  /** Every other kind of label; absent where a skip or a flag comes without one. */
  label?: Label;
  /** Active seconds spent on the item. */
  seconds: number;
  decision: Decision;
  comment?: string;
  /** Of a skip. */
  reason?: Reason;
  /** Asked in the queue of synthetic items alone. */
  looks_real?: boolean;
}

/** Longest comment, in characters. */
export const COMMENT_CHARS_MAX = 2000;
