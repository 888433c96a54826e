// What `GET /api/overview` answers: the structs of `insitu-coordinator report … --json`, in one document.
// Every figure about items is an estimate from noised releases; the coordinator has no other.

export interface Overview {
  federation: string;
  sites: Site[];
  projects: Project[];
}

export interface Site {
  site: string;
  connected: boolean;
  /** RFC 3339; null when the site never called. */
  last_seen: string | null;
  revoked: boolean;
  /** Null until the first hello. */
  device: Device | null;
  releases: number;
  /** As charged for everything the site ever released. */
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
  bundle: { digest: string; version: string } | null;
  agreement: Agreement | null;
  drift: Drift | null;
  calibration: Calibration | null;
  runs: Run[];
  campaigns: Campaign[];
  labels: Labels | null;
}

/** A value with its interval, or why there is none. */
export type Estimate = Interval | { undefined: string };

/** With 95 % confidence, sampling and privacy noise included. */
export interface Interval {
  value: number;
  low: number;
  high: number;
}

export interface Agreement {
  sites: SiteAgreement[];
  overall: Omit<SiteAgreement, "site"> | null;
  pooled: { kappa: Estimate; alpha: Estimate } | null;
}

export interface SiteAgreement {
  site: string;
  windows: number;
  /** Estimated items. */
  n: number;
  kappa: Estimate;
  alpha: Estimate;
  agreement: Estimate;
}

export interface Drift {
  /** The site all others are compared with. */
  reference: string;
  tests: DriftTest[];
}

export interface DriftTest {
  site: string;
  feature: string;
  p_adjusted: number;
  /** Total-variation-like distance in [0, 1], unbiased: it may fall below zero. */
  effect: number;
  effect_sd: number;
  drifted: boolean;
  /** The bin that differs most; `excess` is a difference of shares. */
  worst_bin: { bin: number; title: string; excess: number; sd: number } | null;
}

export interface Calibration {
  sites: SiteCalibration[];
}

export interface SiteCalibration {
  site: string;
  /** Estimated items. */
  n: number;
  /** Expected calibration error; null without enough data. */
  error: number | null;
  error_sd: number | null;
  bins: CalibrationBin[];
}

export interface CalibrationBin {
  /** Confidence, from and to. */
  low: number;
  high: number;
  /** Share of prelabels that people left as they were; null with too few items. */
  accuracy: Interval | null;
}

export interface Run {
  run: string;
  state: "open" | "finished" | "abandoned";
  rounds: Round[];
}

export interface Round {
  round: number;
  state: string;
  sites: { site: string; state: string }[];
  /** Candidate bundle of the round. */
  bundle: string | null;
  /** L2 norm of the aggregated update. */
  norm: number | null;
  evaluation: Evaluation | null;
}

/** Measured elsewhere, with labels the coordinator does not have, and attached by an operator. */
export interface Evaluation {
  note: string;
  accuracy: Record<string, number>;
}

export interface Campaign {
  campaign: string;
  title: string;
  selector: string;
  state: string;
  closes: string;
  sites: CampaignSite[];
}

export interface CampaignSite {
  site: string;
  answered: boolean;
  /** Noised counts, null until answered; `sd` belongs to each of them. */
  matched: number | null;
  kept: number | null;
  changed: number | null;
  sd: number | null;
}

export interface Labels {
  sites: { site: string; totals: { class: number; count: number; sd: number }[] }[];
}
