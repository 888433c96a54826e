// What `GET /api/overview` answers. Every figure about items is an estimate from noised releases; the
// coordinator has no other. Times are RFC 3339, digests hexadecimal.

export interface Overview {
  federation: string;
  sites: Site[];
  projects: Project[];
}

export interface Site {
  site: string;
  /** Whether it asked something within the last minute. */
  connected: boolean;
  /** Null when it never called. */
  last_seen: string | null;
  revoked: boolean;
  /** Null until the first hello. */
  device: Device | null;
  /** Received from it, ever. */
  releases: number;
  /** As charged for them. */
  nano_rho: number;
  epsilon: number;
  delta: number;
}

/** Coarse buckets, not readings. */
export interface Device {
  version: string;
  engine: "none" | "onnx_runtime" | "tract";
  uptime_days: number;
  /** Load per core over five minutes, in quarters. */
  load_quarters: number;
  memory_tenths: number;
  disk_tenths: number;
  /** In steps of 10 °C. */
  temperature_tens: number | null;
}

export interface Project {
  name: string;
  title: string;
  version: number;
  classes: string[];
  /** The active one; `version` is for people. */
  bundle: { digest: string; version: string } | null;
  agreement: Agreement;
  calibration: Calibration;
  labels: Labels;
  /** Null while there is no site to compare with. */
  drift: Drift | null;
  /** Oldest first, as are campaigns. */
  runs: Run[];
  campaigns: Campaign[];
}

/** A figure with its 95 % interval, sampling and privacy noise included, or why there is none. */
export type Estimate = Interval | { undefined: string };

export interface Interval {
  value: number;
  low: number;
  high: number;
}

export interface Agreement {
  sites: (AgreementFigures & { site: string })[];
  /** What sites released together, under secure aggregation. */
  together: (AgreementFigures & { source: string }) | null;
  /** From the sums over all of these. */
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
  agreement: Estimate | null;
}

export interface Calibration {
  sites: SiteCalibration[];
}

export interface SiteCalibration {
  site: string;
  /** Estimated items. */
  n: number;
  /** Expected calibration error, less what noise and sampling add; null without enough data. */
  error: number | null;
  error_sd: number | null;
  bins: CalibrationBin[];
}

export interface CalibrationBin {
  /** Confidence, from and to. */
  low: number;
  high: number;
  /** Share of prelabels that were right; null without enough data. */
  accuracy: Interval | null;
}

/** Unbiased counts, hence possibly negative. */
export interface Labels {
  sites: { site: string; totals: { class: number; count: number; sd: number }[] }[];
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
  /** Of the bundle it starts from. */
  start: Evaluation | null;
  rounds: Round[];
}

export interface Round {
  round: number;
  state: string;
  sites: {
    site: string;
    state: "waiting" | "answered" | "summed" | "missed";
    staleness: number | null;
  }[];
  /** The candidate it gave. */
  bundle: string | null;
  /** L2 norm of the mean gradient. */
  norm: number | null;
  /** `once for all sites`, or `per site, because …`. */
  noise: string;
  evaluation: Evaluation | null;
}

/** Measured elsewhere, with labels the coordinator does not have, and attached by an operator. */
export interface Evaluation {
  note: string;
  /** By site. */
  accuracy: Record<string, number>;
}

export interface Campaign {
  campaign: string;
  title: string;
  /** In words. */
  selector: string;
  state: "open" | "closed" | "cancelled";
  /** When every site answers. */
  closes: string;
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
