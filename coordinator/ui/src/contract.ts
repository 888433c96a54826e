// What `GET /api/overview` answers: the reports of `insitu-coordinator report … --json`, in one document.
// Every figure about items is an estimate from noised releases; the coordinator has no other. Times are
// RFC 3339, digests hexadecimal.

export interface Overview {
  federation: string;
  sites: Site[];
  alerts: Alert[];
  budget: Budget;
  projects: Project[];
}

export interface Site {
  site: string;
  added: string;
  /** When it was revoked, if so. */
  revoked: string | null;
  /** Received from it, ever. */
  releases: number;
  bytes: number;
  agents: Agent[];
}

export interface Agent {
  agent: string;
  enrolled: string;
  /** When it last said hello. */
  last_seen: string | null;
  facts: Facts | null;
}

/** Coarse buckets, not readings. */
export interface Facts {
  version: [number, number, number];
  engine: "none" | "onnx_runtime" | "tract";
  uptime_days: number;
  /** Load per core over five minutes, in quarters. */
  load_quarters: number;
  memory_tenths: number;
  disk_tenths: number;
  /** In steps of 10 °C. */
  temperature_tens: number | null;
}

/** Something about a site's releases that looked wrong. */
export interface Alert {
  site: string;
  agent: string;
  kind: string;
  last: string;
  times: number;
}

/** As charged for everything received. */
export interface Budget {
  delta: number;
  sites: SiteBudget[];
}

export interface SiteBudget {
  site: string;
  nano_rho: number;
  epsilon: number;
  releases: number;
  bytes: number;
  charges: { project: string; kind: string; releases: number; nano_rho: number; epsilon: number }[];
}

export interface Project {
  name: string;
  title: string;
  version: number;
  agreement: Agreement;
  calibration: Calibration;
  labels: Labels;
  /** Null while there are no two sites to compare. */
  drift: Drift | null;
  /** Oldest first, as are campaigns and bundles. */
  rounds: Run[];
  campaigns: Campaign[];
  bundles: Bundle[];
}

/** A figure with its 95 % interval, sampling and privacy noise included, or why there is none. */
export type Estimate = Interval | Undefined;

export interface Interval {
  value: number;
  low: number;
  high: number;
}

export interface Undefined {
  /** Why, in words. */
  undefined: string;
}

export interface Agreement {
  sites: (AgreementFigures & { site: string })[];
  /** From the sums over all sites. */
  overall: AgreementFigures;
  /** Random-effects means over sites. */
  pooled: { kappa: Estimate; alpha: Estimate };
}

export interface AgreementFigures {
  windows: number;
  /** Estimated items. */
  n: number | null;
  /** Prelabel against label of record. */
  kappa: Estimate;
  /** First against second reader. */
  alpha: Estimate;
  /** Share of prelabels that the label of record kept. */
  agreement: number | null;
}

export interface Calibration {
  sites: (CalibrationFigures & { site: string })[];
}

export type CalibrationFigures = KnownCalibration | Undefined;

export interface KnownCalibration {
  windows: number;
  n: number;
  /** Expected calibration error, less what noise and sampling add. */
  error: number;
  error_deviation: number;
  bins: CalibrationBin[];
}

export interface CalibrationBin {
  /** Confidence. */
  from: number;
  to: number;
  /** Share of prelabels that were right; null without enough data. */
  accuracy: Interval | null;
}

export interface Labels {
  classes: string[];
  sites: {
    site: string;
    /** Unbiased, hence possibly negative. */
    by_class: number[];
    sd_by_class: number;
    total: number;
    sd_total: number;
  }[];
}

export interface Drift {
  /** The site all others are compared with. */
  reference: string;
  tests: DriftTest[];
  /** Comparisons without enough data. */
  undefined: { site: string; feature: string; reason: string }[];
}

export interface DriftTest {
  site: string;
  feature: string;
  p_adjusted: number;
  /** Squared relative difference of the shares, unbiased: around 0 without drift. */
  effect: number;
  effect_sd: number;
  drifted: boolean;
  /** The bin that differs most; `excess` is its share here less its share at the reference. */
  worst_bin: { title: string; excess: number; sd: number };
}

export interface Run {
  run: string;
  state: "open" | "finished" | "abandoned";
  /** Why it was abandoned. */
  reason: string | null;
  planned: number;
  /** The bundle it starts from. */
  start: string;
  rounds: Round[];
}

export interface Round {
  round: number;
  state: string;
  sites: { site: string; state: "waiting" | "answered" | "summed" | "missed" }[];
  /** The candidate it gave. */
  bundle: string | null;
  /** L2 norm of the mean gradient. */
  norm: number | null;
}

export interface Campaign {
  campaign: string;
  title: string;
  /** In words. */
  selector: string;
  reason: string;
  state: "open" | "closed" | "cancelled";
  /** When every site answers. */
  answers: string;
  epsilon: number;
  sites: CampaignSite[];
}

/** Noised counts: unbiased, hence possibly negative; null until answered. */
export interface CampaignSite {
  site: string;
  answered: boolean;
  matched: number | null;
  waiting: number | null;
  kept: number | null;
  changed: number | null;
  /** Deviation of waiting, kept and changed each; that of `matched`, their sum, is √3 of it. */
  sd: number | null;
}

export interface Bundle {
  bundle: string;
  name: string;
  version: number;
  state: "active" | "published" | "candidate";
  /** Measured elsewhere, with labels the coordinator does not have, and attached by an operator. */
  evaluations: { site: string; accuracy: number; note: string }[];
}
