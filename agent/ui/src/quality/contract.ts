// What the agent says about a project's labels. The other side is the agent's `quality` module.

export type Figure = { value: number; low: number; high: number } | { undefined: string };

/** Row, column, count; empty cells are left out. */
export type Cells = [number, number, number][];

export interface Comparison {
  items: number;
  coefficients: ({ name: string } & Figure)[];
  matrix: Cells;
}

export interface Score {
  name: string;
  role: string;
  labels: number;
  shared: number;
  agreement: Figure;
  /** Consensus by row, this person's label by column. */
  matrix: Cells;
}

export interface Calibration {
  bundle: string | null;
  in_use: boolean;
  corrections: number;
  undefined: string | null;
  error: number | null;
  brier: number | null;
  bins: { from: number; to: number; count: number; confidence: number; right: Figure }[];
}

export interface Day {
  /** Like `2026-11-22`, in UTC. */
  day: string;
  first: number;
  second: number;
  expert: number;
}

/** What people said of items of one kind, where they did not know which kind it is. */
export interface Judged {
  items: number;
  readers: Comparison;
  model: Comparison;
  /** Of items that were made for a class. */
  generator: Comparison;
  /** Share of answers that take the item for real. */
  looks_real: Figure;
}

export interface Synthetic {
  items: number;
  waiting: number;
  validated: number;
  made: Judged;
  real: Judged;
}

export interface Report {
  project: string;
  /** Unix seconds. */
  made_at: number;
  classes: string[];
  labeled: number;
  cut: boolean;
  level: number;
  agreement: { readers: Comparison; model: Comparison };
  people: { shared: number; disputed: number; undefined: string | null; people: Score[] };
  calibration: Calibration;
  progress: { stages: { stage: string; items: number }[]; days: Day[] };
  /** Null where there are no synthetic items; all else is about real ones. */
  synthetic: Synthetic | null;
}

export interface Shown {
  title: string;
  value: string;
  unit: string;
}

export interface Suspect {
  item: string;
  label: number;
  by: string[];
  labeled_at: number;
  suggested: number;
  confidence: number;
  quality: number;
  queued: boolean;
  values: Shown[];
}

export interface LabelErrors {
  labels: number;
  estimated: number;
  found: number;
  undefined: string | null;
  items: Suspect[];
}

export interface Task {
  item: string;
  suggested: number;
  confidence: number;
  margin: number;
  alike: number;
  queue: string;
  values: Shown[];
}

export interface Next {
  strategy: "typical" | "margin";
  waiting: number;
  labels: number;
  undefined: string | null;
  items: Task[];
}

export function isKnown<T extends Figure>(figure: T): figure is T & { value: number; low: number; high: number } {
  return "value" in figure;
}
