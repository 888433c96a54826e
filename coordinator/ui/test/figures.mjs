// A federation made up for tests: what `GET /api/overview` answers in four situations.

const SITES = ["cleveland", "hungary", "switzerland", "va-long-beach"];

/** A coordinator that was just started. */
export const EMPTY = { federation: "hearts", sites: [], projects: [] };

/** Sites and a project, but nothing released yet. */
export const QUIET = {
  federation: "hearts",
  sites: [
    { ...site("cleveland", 0), connected: true },
    { ...site("hungary", 1), connected: false, last_seen: null, device: null },
  ].map((entry) => ({ ...entry, releases: 0, nano_rho: 0, epsilon: 0 })),
  projects: [
    {
      ...heartDisease(),
      bundle: null,
      agreement: null,
      drift: null,
      calibration: null,
      runs: [],
      campaigns: [],
      labels: null,
    },
  ],
};

/** Everything there is to show. */
export const FULL = {
  federation: "hearts",
  sites: SITES.map(site),
  projects: [heartDisease()],
};

/** A site with little data and a project name that is markup. */
export const ODD = {
  ...FULL,
  projects: [
    {
      ...heartDisease(),
      title: "<img src=x onerror=alert(1)>",
      agreement: {
        sites: [
          {
            site: "cleveland",
            windows: 1,
            n: -3,
            kappa: { undefined: "not enough data" },
            alpha: { undefined: "not enough data" },
            agreement: { undefined: "not enough data" },
          },
        ],
        overall: null,
        pooled: null,
      },
    },
  ],
};

function site(name, index) {
  return {
    site: name,
    connected: index !== 3,
    last_seen: new Date(Date.now() - (index === 3 ? 47 * 60_000 : 2_000)).toISOString(),
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
    delta: 1e-5,
  };
}

function heartDisease() {
  return {
    name: "heart-disease",
    title: "Heart disease",
    version: 3,
    classes: ["no disease", "disease"],
    bundle: { digest: "b3f09c21aa04d7c1", version: "1.0.5" },
    agreement: {
      sites: SITES.map((name, index) => ({
        site: name,
        windows: 2,
        n: [203, 196, 82, 133][index],
        kappa: interval([0.58, 0.52, 0.11, 0.34][index], [0.11, 0.12, 0.24, 0.17][index]),
        alpha:
          index === 2 ? { undefined: "chance agreement is too high" } : interval(0.81 - index * 0.03, 0.1),
        agreement: interval(0.8, 0.05),
      })),
      overall: { windows: 8, n: 614, kappa: interval(0.47, 0.07), alpha: interval(0.79, 0.06), agreement: interval(0.75, 0.04) },
      pooled: { kappa: interval(0.44, 0.18), alpha: interval(0.78, 0.07) },
    },
    drift: {
      reference: "cleveland",
      tests: ["cholesterol", "age", "chest pain", "ST depression", "vessels coloured", "resting blood pressure"].flatMap(
        (feature, f) =>
          SITES.slice(1).map((name, s) => {
            const effect = [[0.04, 0.71, 0.19], [0.12, 0.09, 0.21], [0.16, 0.22, 0.13], [-0.01, 0.14, 0.08], [0.66, 0.64, 0.61], [0.03, 0.05, 0.31]][f][s];
            return {
              site: name,
              feature,
              statistic: effect * 400,
              p_value: effect > 0.15 ? 0.0001 : 0.2,
              p_adjusted: effect > 0.15 ? 0.0004 : 0.4,
              effect,
              effect_sd: 0.03 + s * 0.01,
              drifted: effect > 0.15,
              worst_bin: { bin: 5, title: f === 1 ? "60 to 70" : "missing", excess: f === 2 ? -effect : effect, sd: 0.04 },
            };
          }),
      ),
    },
    calibration: {
      sites: SITES.map((name, index) => ({
        site: name,
        n: 150,
        error: index === 2 ? null : 0.04 + index * 0.02,
        error_sd: index === 2 ? null : 0.02,
        bins: Array.from({ length: 8 }, (_, bin) => {
          const low = 0.5 + bin / 16;
          const value = Math.min(0.97, low + 0.03 - index * 0.05 + (bin % 2) * 0.03);
          return {
            low,
            high: low + 1 / 16,
            accuracy: index === 2 && bin < 6 ? null : interval(value, 0.04 + index * 0.02),
          };
        }),
      })),
    },
    runs: [
      {
        run: "5f0a81c2d3",
        state: "open",
        rounds: Array.from({ length: 5 }, (_, index) => ({
          round: index + 1,
          state: index === 4 ? "open" : "closed",
          sites: SITES.map((name, s) => ({
            site: name,
            state: index === 4 && s > 1 ? "waiting" : index === 2 && s === 3 ? "missing" : "received",
          })),
          bundle: index === 4 ? null : `c${index}4d2e91ab`,
          norm: index === 4 ? null : 0.412 / (index + 1),
          evaluation:
            index === 4
              ? null
              : {
                  note: "held-out patients",
                  accuracy: {
                    cleveland: 0.8 + index * 0.005,
                    hungary: 0.79 + index * 0.006,
                    switzerland: 0.72 + index * 0.045,
                    "va-long-beach": 0.68 + index * 0.02,
                  },
                },
        })),
      },
    ],
    campaigns: [
      {
        campaign: "a1",
        title: "Cholesterol missing",
        selector: "prelabel is disease, and cholesterol is missing",
        state: "open",
        closes: new Date(Date.now() + 3_600_000).toISOString(),
        sites: SITES.map((name, index) => ({
          site: name,
          answered: index < 3,
          matched: index < 3 ? [4, 11, 71][index] : null,
          kept: index < 3 ? [3, 9, 52][index] : null,
          changed: index < 3 ? [1, 3, 18][index] : null,
          sd: index < 3 ? 3.2 : null,
        })),
      },
    ],
    labels: {
      sites: SITES.map((name, index) => ({
        site: name,
        totals: [
          { class: 0, count: [110, 124, 5, 31][index], sd: 4.5 },
          { class: 1, count: [93, 72, 77, 102][index], sd: 4.5 },
        ],
      })),
    },
  };
}

function interval(value, half) {
  return { value, low: value - half, high: Math.min(1, value + half) };
}
