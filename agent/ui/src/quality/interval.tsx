// A value with its interval on a common axis: rows of them make a dot plot. The numbers stand beside
// it in the table, so the picture itself is hidden from screen readers.

export const HEIGHT = 26;
export const MARGIN = 10;

export interface Axis {
  /** About as wide as it is shown, in pixels, so that its figures are as large as others. */
  width: number;
  from: number;
  to: number;
  ticks: number[];
}

/** Chance-corrected coefficients: what lies below is drawn at the edge. */
export const COEFFICIENT: Axis = { width: 260, from: -0.2, to: 1, ticks: [0, 0.25, 0.5, 0.75, 1] };
export const SHARE: Axis = { width: 170, from: 0, to: 1, ticks: [0, 0.5, 1] };

export function Scale({ axis, label = String }: { axis: Axis; label?: (tick: number) => string }) {
  return (
    <svg class="interval" viewBox={`0 0 ${axis.width} 16`} aria-hidden="true">
      {axis.ticks.map((tick) => (
        <text key={tick} x={at(axis, tick)} y={12} text-anchor="middle">
          {label(tick)}
        </text>
      ))}
    </svg>
  );
}

export function Interval(props: { axis: Axis; value: number; low: number; high: number }) {
  const { axis, value, low, high } = props;
  const middle = HEIGHT / 2;
  return (
    <svg class="interval" viewBox={`0 0 ${axis.width} ${HEIGHT}`} aria-hidden="true">
      {axis.ticks.map((tick) => (
        <line key={tick} class="grid" x1={at(axis, tick)} x2={at(axis, tick)} y1={0} y2={HEIGHT} />
      ))}
      <line class="error" x1={at(axis, low)} x2={at(axis, high)} y1={middle} y2={middle} />
      {[low, high].map((end, index) => (
        <line key={index} class="error" x1={at(axis, end)} x2={at(axis, end)} y1={middle - 4} y2={middle + 4} />
      ))}
      <circle class="dot" cx={at(axis, value)} cy={middle} r={4.5} />
    </svg>
  );
}

/** Where a value is; what is beyond the axis is at its end. */
export function at({ width, from, to }: Axis, value: number): number {
  const inside = Math.min(to, Math.max(from, value));
  return MARGIN + ((inside - from) / (to - from)) * (width - 2 * MARGIN);
}
