import type { Round } from "../contract";
import { figure, percent } from "../words";

const WIDTH = 460;
const HEIGHT = 260;
const LEFT = 44;
const RIGHT = 118;
const TOP = 12;
const BOTTOM = 34;
/** Least distance between two names at the right edge. */
const NAME_HEIGHT = 15;
/** Line styles in the style sheet. */
const SERIES_MAX = 6;

/** What the chart needs of a round; 0 is the bundle that the run started from. */
type Evaluated = Pick<Round, "round" | "evaluation">;

/** Accuracy by round, from what an operator attached or sites said of the items that they hold out. */
export function AccuracyChart({ rounds }: { rounds: Evaluated[] }) {
  const sites = [...new Set(rounds.flatMap(({ evaluation }) => Object.keys(evaluation?.accuracy ?? {})))];
  const values = rounds.flatMap(({ evaluation }) => Object.values(evaluation?.accuracy ?? {}));
  const low = Math.floor(Math.min(...values) * 10) / 10;
  const high = Math.min(1, Math.ceil(Math.max(...values) * 10) / 10);
  const first = rounds[0]?.round ?? 0;
  const last = rounds.at(-1)?.round ?? first;
  const x = (round: number) =>
    LEFT + (last === first ? 0.5 : (round - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
  const y = (accuracy: number) =>
    TOP + (1 - (accuracy - low) / (high - low || 1)) * (HEIGHT - TOP - BOTTOM);
  const bySite = sites.map((site, index) => ({
    site,
    style: `s${index % SERIES_MAX}`,
    points: rounds.flatMap(({ round, evaluation }) => {
      const accuracy = evaluation?.accuracy[site];
      return accuracy === undefined ? [] : [{ round, accuracy }];
    }),
  }));
  const series = sites.length > 1 ? [...bySite, mean(rounds)] : bySite;
  const notes = [...new Set(rounds.map(({ evaluation }) => evaluation?.note ?? ""))].filter(Boolean);
  return (
    <figure class="accuracy">
      <figcaption>
        <strong>Accuracy by round</strong>{" "}
        <span class="soft">
          {notes.length > 0 && `${notes.join("; ")}. `}The coordinator has no true labels and cannot measure
          this itself.
        </span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={inWords(series)}>
        {ticks(low, high).map((tick) => (
          <g key={tick}>
            <line class="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={y(tick)} y2={y(tick)} />
            <text x={LEFT - 8} y={y(tick) + 4} text-anchor="end">
              {percent(tick)}
            </text>
          </g>
        ))}
        {rounds.map(({ round }) => (
          <text key={round} x={x(round)} y={HEIGHT - 14} text-anchor="middle">
            {round}
          </text>
        ))}
        {series.map(({ site, style, points }) => (
          <g key={site} class={`series ${style}`}>
            <polyline points={points.map((p) => `${x(p.round)},${y(p.accuracy)}`).join(" ")} />
            {points.map(({ round, accuracy }) => (
              <circle key={round} cx={x(round)} cy={y(accuracy)} r={3.2}>
                <title>{`${site}, round ${round}: ${figure(accuracy, 3)}`}</title>
              </circle>
            ))}
          </g>
        ))}
        {names(series, y).map(({ site, style, top }) => (
          <text key={site} class={`name ${style}`} x={WIDTH - RIGHT + 10} y={top + 4}>
            {site}
          </text>
        ))}
      </svg>
    </figure>
  );
}

interface Series {
  site: string;
  /** Class in the style sheet. */
  style: string;
  points: { round: number; accuracy: number }[];
}

/** Every site counts alike, however many items it has. */
function mean(rounds: Evaluated[]): Series {
  const points = rounds.flatMap(({ round, evaluation }) => {
    const values = Object.values(evaluation?.accuracy ?? {});
    if (values.length === 0) return [];
    return [{ round, accuracy: values.reduce((sum, value) => sum + value, 0) / values.length }];
  });
  return { site: "mean of sites", style: "mean", points };
}

/** Names beside the ends of their lines, moved down where two would touch. */
function names(series: Series[], y: (accuracy: number) => number) {
  const ends = series
    .map(({ site, style, points }) => ({ site, style, top: y(points.at(-1)?.accuracy ?? 0) }))
    .sort((a, b) => a.top - b.top);
  let free = 0;
  return ends.map((end) => {
    const top = Math.max(end.top, free);
    free = top + NAME_HEIGHT;
    return { ...end, top };
  });
}

function ticks(low: number, high: number): number[] {
  const step = high - low > 0.45 ? 0.2 : 0.1;
  const count = Math.round((high - low) / step);
  return Array.from({ length: count + 1 }, (_, index) => low + index * step);
}

function inWords(series: Series[]): string {
  return series
    .map(({ site, points }) => {
      const [from, to] = [points[0], points.at(-1)];
      return from && to ? `${site} from ${percent(from.accuracy)} to ${percent(to.accuracy)}` : site;
    })
    .join("; ");
}
