import type { Calibration, SiteCalibration } from "../contract";
import { figure, percent } from "../words";
import { Section } from "./section";

const SIZE = 220;
const LEFT = 30;
const BOTTOM = 24;
const TOP = 8;

export function CalibrationSection({ calibration }: { calibration: Calibration }) {
  const { sites } = calibration;
  return (
    <Section
      title="Calibration"
      lead="How often people left a prelabel as it was, against how sure the model said it was. On the diagonal it is as sure as it is right; bars are 95 % intervals."
      empty={sites.length === 0 && "No site has released a calibration histogram yet."}
    >
      <div class="multiples">
        {sites.map((site) => (
          <Reliability key={site.site} site={site} />
        ))}
      </div>
    </Section>
  );
}

function Reliability({ site }: { site: SiteCalibration }) {
  // Confidences below chance do not exist: the axis starts where the bins do.
  const start = Math.min(...site.bins.map(({ low }) => low), 1);
  const from = start >= 1 ? 0 : start;
  const x = (confidence: number) => LEFT + ((confidence - from) / (1 - from)) * (SIZE - LEFT - 8);
  const y = (share: number) => TOP + (1 - share) * (SIZE - BOTTOM - TOP);
  return (
    <figure>
      <figcaption>
        <strong>{site.site}</strong>
        <br />
        <span class="soft">
          {site.error === null
            ? "not enough data"
            : `error ${figure(site.error)} ± ${figure(site.error_sd ?? 0)}`}
        </span>
      </figcaption>
      <svg viewBox={`0 0 ${SIZE} ${SIZE}`} role="img" aria-label={inWords(site)}>
        {[0, 0.5, 1].map((share) => (
          <g key={share}>
            <line class="grid" x1={LEFT} x2={SIZE - 8} y1={y(share)} y2={y(share)} />
            <text x={LEFT - 6} y={y(share) + 4} text-anchor="end">
              {share}
            </text>
          </g>
        ))}
        {[from, 1].map((confidence) => (
          <text key={confidence} x={x(confidence)} y={SIZE - 6} text-anchor="middle">
            {Number(confidence.toFixed(2))}
          </text>
        ))}
        <line class="diagonal" x1={x(from)} y1={y(from)} x2={x(1)} y2={y(1)} />
        {site.bins.map(({ low, high, accuracy }) => {
          if (accuracy === null) return null;
          const middle = x((low + high) / 2);
          return (
            <g key={low}>
              <line class="error" x1={middle} x2={middle} y1={y(accuracy.low)} y2={y(accuracy.high)} />
              <circle class="dot" cx={middle} cy={y(accuracy.value)} r={3.6} />
            </g>
          );
        })}
      </svg>
    </figure>
  );
}

function inWords({ site, bins }: SiteCalibration): string {
  const known = bins.flatMap(({ low, high, accuracy }) =>
    accuracy === null
      ? []
      : [`confidence ${figure(low)} to ${figure(high)}: right ${percent(accuracy.value)}`],
  );
  return `${site}. ${known.length === 0 ? "Not enough data" : known.join("; ")}.`;
}
