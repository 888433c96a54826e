// What the agent's local API sends and takes. One place; the agent's `api` module is the other side.

export type Role = "annotator" | "expert" | "lead" | "steward";

export interface Me {
  name: string;
  role: Role;
  site: string;
}

export interface Class {
  name: string;
  description: string;
}

export interface Project {
  name: string;
  title: string;
  version: number;
  instructions: string;
  classes: Class[];
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

export type FieldKind = "number" | "category" | "text";

export interface Field {
  title: string;
  /** Null when the source had no value. */
  value: string | number | null;
  unit: string;
  kind: FieldKind;
}

export interface Prelabel {
  /** Index into the project's classes. */
  class: number;
  /** Calibrated, in [0, 1]. */
  confidence: number;
}

/** An item as leased to this person. */
export interface Card {
  item: string;
  queue: string;
  fields: Field[];
  /** Null when the read is blind or no model is active. */
  prelabel: Prelabel | null;
  blind: boolean;
  why: string;
  bundle: string | null;
  campaign: string | null;
  /** RFC 3339. Null for a card that came back by undo: there the server alone knows. */
  lease_until: string | null;
}

export type Decision = "accept" | "correct" | "skip" | "flag";

export interface Annotation {
  /** Made by the page; sending the same key again never makes a second annotation. */
  key: string;
  /** Index into the project's classes; null where a skip or a flag comes without one. */
  class: number | null;
  /** Active seconds spent on the item. */
  seconds: number;
  decision: Decision;
  comment?: string;
  /** Asked in the queue of synthetic items alone. */
  looks_real?: boolean;
}

/** Longest comment, in characters. */
export const COMMENT_CHARS_MAX = 2000;
