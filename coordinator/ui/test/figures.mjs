// A federation made up for tests: what `GET /api/overview` answers in four situations.

const SITES = ["cleveland", "hungary", "switzerland", "va-long-beach"];
const NOTHING = { undefined: "nothing was released yet" };
const NO_FIGURES = { windows: 0, n: null, kappa: NOTHING, alpha: NOTHING, agreement: null };

/** A coordinator that was just started. */
export const EMPTY = {
  federation: "hearts",
  sites: [],
  projects: [],
};

/** Everything there is to show. */
export const FULL = {
  federation: "hearts",
  sites: SITES.map(site),
  projects: [heartDisease()],
};

/** Sites and a project, but nothing released yet. */
export const QUIET = {
  ...EMPTY,
  sites: [
    { ...site("cleveland", 0), releases: 0, nano_rho: 0, epsilon: 0 },
    { ...site("hungary", 1), releases: 0, nano_rho: 0, epsilon: 0, ...never() },
  ],
  projects: [
    {
      ...heartDisease(),
      agreement: { sites: [], together: null, overall: NO_FIGURES, pooled: { kappa: NOTHING, alpha: NOTHING } },
      calibration: { sites: [] },
      labels: { sites: [] },
      bundle: null,
      drift: null,
      runs: [],
      campaigns: [],
    },
  ],
};

/** A site with too little data, and a project whose title is markup. */
export const ODD = {
  ...FULL,
  projects: [
    {
      ...heartDisease(),
      title: "<img src=x onerror=alert(1)>",
      agreement: {
        sites: [{ site: "cleveland", ...NO_FIGURES, kappa: { undefined: "not enough data" } }],
        together: null,
        overall: NO_FIGURES,
        pooled: { kappa: NOTHING, alpha: NOTHING },
      },
      calibration: {
        sites: [{ site: "cleveland", n: 0, error: null, error_sd: null, bins: [] }],
      },
      drift: {
        reference: "cleveland",
        tests: [],
        undefined: [{ site: "hungary", feature: "age", reason: "hungary has released no histograms yet" }],
      },
    },
  ],
};

function site(name, index) {
  return {
    site: name,
    connected: index !== 3,
    last_seen: before(index === 3 ? 47 * 60 + 5 : 2),
    revoked: false,
    device: {
      version: "0.1.0",
      engine: index === 1 ? "onnx_runtime" : "tract",
      uptime_days: index * 4,
      load_quarters: index,
      memory_tenths: 3 + index,
      disk_tenths: index === 2 ? 9 : 4,
      temperature_tens: index === 0 ? null : 4,
    },
    releases: 14 - index,
    nano_rho: 41_000_000 + index * 3_000_000,
    epsilon: 1.42 + index * 0.17,
    delta: 1e-6,
  };
}

function never() {
  return { connected: false, last_seen: null, device: null };
}

function heartDisease() {
  return {
    name: "heart-disease",
    title: "Heart disease",
    version: 3,
    classes: ["no disease", "disease"],
    bundle: { digest: "b3f09c21aa04d7c1", version: "heart-disease 1" },
    agreement: agreement(),
    calibration: calibration(),
    labels: labels(),
    drift: drift(),
    runs: [run()],
    campaigns: [campaign()],
  };
}

function agreement() {
  const figures = (n, kappa, half, alpha) => ({
    windows: 2,
    n,
    kappa: interval(kappa, half),
    alpha: alpha === null ? { undefined: "chance agreement is too high" } : interval(alpha, 0.1),
    agreement: interval(0.5 + kappa / 2, 0.05),
  });
  return {
    project: "heart-disease",
    sites: [
      { site: "cleveland", ...figures(203.2, 0.58, 0.11, 0.81) },
      { site: "hungary", ...figures(196.4, 0.52, 0.12, 0.78) },
      { site: "switzerland", ...figures(81.9, 0.11, 0.24, null) },
      { site: "va-long-beach", ...figures(133.1, 0.34, 0.17, 0.72) },
    ],
    together: {
      source: "all sites together (secure aggregation, 4 sites)",
      ...figures(590.3, 0.49, 0.06, 0.8),
    },
    overall: figures(614.6, 0.47, 0.07, 0.79),
    pooled: { kappa: interval(0.44, 0.18), alpha: interval(0.78, 0.07) },
  };
}

function drift() {
  const effects = {
    cholesterol: [0.04, 1.71, 0.19],
    age: [0.12, 0.09, 0.21],
    "chest pain": [0.16, 0.22, 0.13],
    "ST depression": [-0.01, 0.14, 0.08],
    "vessels coloured": [0.66, 0.64, 0.61],
    "resting blood pressure": [0.03, 0.05, 0.31],
  };
  return {
    project: "heart-disease",
    reference: "cleveland",
    level: 0.01,
    tests: Object.entries(effects).flatMap(([feature, values], index) =>
      values.map((effect, position) => ({
        site: SITES[position + 1],
        feature,
        feature_index: index,
        statistic: effect * 400,
        p_value: effect > 0.15 ? 0.00005 : 0.2,
        p_adjusted: effect > 0.15 ? 0.0009 : 1,
        effect,
        effect_sd: 0.03 + position * 0.01,
        drifted: effect > 0.15,
        worst_bin: {
          bin: 5,
          title: feature === "age" ? "60 to 70" : "missing",
          excess: Math.min(0.9, effect / 2),
          sd: 0.04,
        },
      })),
    ),
    undefined: [
      { site: "switzerland", feature: "ST depression", reason: "12 items, 30 needed" },
    ],
  };
}

function calibration() {
  const bins = (index) =>
    Array.from({ length: 8 }, (_, bin) => {
      const low = 0.5 + bin / 16;
      const value = Math.min(0.97, low + 0.03 - index * 0.05 + (bin % 2) * 0.03);
      const accuracy = bin === index ? null : interval(value, 0.04 + index * 0.02);
      return { low, high: low + 1 / 16, accuracy };
    });
  return {
    sites: SITES.map((name, index) =>
      index === 2
        ? { site: name, n: 0, error: null, error_sd: null, bins: [] }
        : { site: name, n: 150.3, error: 0.04 + index * 0.02, error_sd: 0.02, bins: bins(index) },
    ),
  };
}

function run() {
  return {
    run: "5f0a81c2d3",
    state: "open",
    start: evaluation(-1),
    rounds: Array.from({ length: 5 }, (_, index) => ({
      round: index + 1,
      state: index === 4 ? "open" : "closed",
      sites: SITES.map((name, position) => ({
        site: name,
        state: partState(index, position),
      })),
      bundle: index === 4 ? null : `c${index + 1}4d2e91ab77`,
      norm: index === 4 ? null : 0.412 / (index + 1),
      noise: "once for all sites",
      evaluation: index === 4 ? null : evaluation(index),
    })),
  };
}

function partState(round, site) {
  if (round === 4) return site > 1 ? "waiting" : "answered";
  return round === 2 && site === 3 ? "missed" : "summed";
}

function evaluation(round) {
  const accuracy = SITES.map((name, index) => [
    name,
    [0.8, 0.79, 0.72, 0.68][index] + round * [0.005, 0.006, 0.045, 0.02][index],
  ]);
  return { note: "Attached by hand: held-out patients", accuracy: Object.fromEntries(accuracy) };
}

function campaign() {
  const answer = (waiting, kept, changed) => ({
    answered: true,
    matched: waiting + kept + changed,
    waiting,
    kept,
    changed,
    sd: 3.2,
  });
  const none = { answered: false, matched: null, waiting: null, kept: null, changed: null, sd: null };
  return {
    campaign: "a1",
    title: "Cholesterol missing",
    selector: "prelabel is disease, and cholesterol is missing",
    state: "open",
    closes: before(-3600),
    sites: [answer(-2, 5, 1), answer(0, 9, 3), answer(1, 52, 18), none].map((progress, index) => ({
      site: SITES[index],
      ...progress,
    })),
  };
}

function labels() {
  const counts = [
    [110, 93],
    [124, 72],
    [5, 77],
    [31, 102],
  ];
  return {
    sites: SITES.map((name, index) => ({
      site: name,
      totals: counts[index].map((count, position) => ({ class: position, count, sd: 4.5 })),
    })),
  };
}

function interval(value, half) {
  return { value, low: value - half, high: Math.min(1, value + half), deviation: half / 1.96 };
}

function before(seconds) {
  return new Date(Date.now() - seconds * 1000).toISOString();
}
