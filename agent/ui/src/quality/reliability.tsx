import { isKnown, type Calibration } from "./contract";
import { AsTable, Nothing, Section } from "./parts";
import { figure, integer, percent } from "./words";

const WIDTH = 420;
const HEIGHT = 300;
const LEFT = 40;
const BOTTOM = 38;
const TOP = 10;
const RIGHT = 12;
/** Radius of the point with the most items. */
const RADIUS_MAX = 8;
const RADIUS_MIN = 3;

export function Reliability({ calibration }: { calibration: Calibration }) {
  const { bundle, in_use: inUse, corrections, error, brier, bins } = calibration;
  return (
    <Section
      name="calibration"
      title="Is the model as sure as it is right?"
      lead="How often people left a prelabel as it was, against how sure the model said it was. On the dashed line it is calibrated; below it, it is too sure. Larger points are more items; bars are 95 % intervals. Prelabels that were accepted without a person are not in it."
    >
      {calibration.undefined !== null ? (
        <Nothing>No diagram yet: {calibration.undefined}.</Nothing>
      ) : (
        <>
          <Diagram bins={bins} />
          <p class="note after">
            Model <code>{bundle}</code>
            {inUse ? "" : ", the one with the most corrections and not the one in use"}: {integer(corrections)} corrections
            {error !== null && <>, calibration error {figure(error, 3)}</>}
            {brier !== null && <>, Brier score {figure(brier, 3)}</>}.
          </p>
        </>
      )}
    </Section>
  );
}

function Diagram({ bins }: { bins: Calibration["bins"] }) {
  const most = Math.max(...bins.map(({ count }) => count));
  const start = Math.min(...bins.map(({ from }) => from));
  const x = (confidence: number) => LEFT + ((confidence - start) / (1 - start)) * (WIDTH - LEFT - RIGHT);
  const y = (share: number) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
  const tenths = Array.from({ length: 11 }, (_, at) => at / 10).filter((tick) => tick >= start - 0.001);
  // Every tenth where there is room.
  const ticks = tenths.filter((_, at) => (tenths.length - 1 - at) % (tenths.length > 6 ? 2 : 1) === 0);
  const rows = bins.map(({ from, to, count, confidence, right }) => [
    `${percent(from)} to ${percent(to)}`,
    percent(confidence),
    isKnown(right) ? percent(right.value) : right.undefined,
    isKnown(right) ? `${percent(right.low)} to ${percent(right.high)}` : "",
    integer(count),
  ]);
  const words = rows.map(([, sure, right]) => `${sure} sure, ${right} right`).join("; ");
  return (
    <figure class="plot">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`Reliability diagram. ${words}.`}>
        {[0, 0.25, 0.5, 0.75, 1].map((share) => (
          <g key={share}>
            <line class="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={y(share)} y2={y(share)} />
            <text x={LEFT - 6} y={y(share) + 4} text-anchor="end">
              {share * 100}
            </text>
          </g>
        ))}
        {ticks.map((tick) => (
          <text key={tick} x={x(tick)} y={HEIGHT - 22} text-anchor="middle">
            {Math.round(tick * 100)}
          </text>
        ))}
        <text x={(LEFT + WIDTH) / 2} y={HEIGHT - 4} text-anchor="middle">
          % sure
        </text>
        <text x={12} y={y(0.5)} text-anchor="middle" transform={`rotate(-90 12 ${y(0.5)})`}>
          % right
        </text>
        <line class="diagonal" x1={x(start)} y1={y(start)} x2={x(1)} y2={y(1)} />
        {bins.map(({ from, count, confidence, right }) => {
          if (!isKnown(right)) return null;
          const radius = Math.max(RADIUS_MIN, RADIUS_MAX * Math.sqrt(count / most));
          return (
            <g key={from}>
              <line class="error" x1={x(confidence)} x2={x(confidence)} y1={y(right.low)} y2={y(right.high)} />
              <circle class="dot" cx={x(confidence)} cy={y(right.value)} r={radius} />
            </g>
          );
        })}
      </svg>
      <AsTable head={["Sure", "Mean", "Right", "Interval", "Items"]} rows={rows} />
    </figure>
  );
}
