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

/** What the steward demands before prelabels are accepted without a person. */
export interface Demands {
  error_max: number;
  confidence: number;
  /** Fewest audited items of a class that can earn it, without an error among them. */
  audited_min: number;
}

export interface ClassStanding {
  class: string;
  state: "nothing" | "earned" | "off";
  /** From which confidence on prelabels of the class are, or were, accepted. */
  threshold: number | null;
  audited: number;
  errors: number;
  /** Exact upper bound on the share of errors. */
  bound: number;
  /** Unix seconds. */
  off_at: number | null;
}

export interface Acceptance {
  mode: "nothing" | "assumed" | "earned";
  demands: Demands | null;
  /** Without classes of which nothing was audited. */
  classes: ClassStanding[];
}

/** The head of the site's own. */
export interface Personal {
  /** Its weight in the head that serves. */
  share: number;
  lessons: number;
  held_out: number;
  accuracy_global: number | null;
  accuracy_personal: number | null;
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
  acceptance: Acceptance;
  /** Null where the site has none. */
  personal: Personal | null;
  /** Queues that wait for somebody of a role who is not there. */
  vacancies: { text: string; role: string }[];
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
