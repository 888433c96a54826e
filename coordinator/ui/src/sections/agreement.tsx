import type { Agreement, AgreementFigures, Estimate } from "../contract";
import { figure, integer, isKnown, percent, range } from "../words";
import { Scroll, Section } from "./section";

/** κ below −0.2 is drawn at the edge: no agreement is no agreement. */
const AXIS_LOW = -0.2;
const AXIS_HIGH = 1;
const TICKS = [0, 0.25, 0.5, 0.75, 1];
const WIDTH = 440;
const HEIGHT = 28;
const MARGIN = 12;

export function AgreementSection({ agreement }: { agreement: Agreement }) {
  const { sites, together, overall, pooled } = agreement;
  return (
    <Section
      title="Agreement with people"
      lead="Cohen’s κ between prelabel and person, with its 95 % interval: sampling and privacy noise together. 0 is chance, 1 is perfect. Krippendorff’s α is between two people who read the same items."
      empty={sites.length === 0 && !together && "No site has released a window of statistics yet."}
    >
      <Scroll label="Agreement by site">
        <table class="intervals">
          <thead>
            <tr>
              <th scope="col">Site</th>
              <th scope="col">
                <span class="unseen">Interval</span>
                <Axis />
              </th>
              <th scope="col" class="number">
                κ
              </th>
              <th scope="col" class="number">
                α
              </th>
              <th scope="col" class="number">
                Same label
              </th>
              <th scope="col" class="number">
                Items ≈
              </th>
            </tr>
          </thead>
          <tbody>
            {sites.map((row) => (
              <Row key={row.site} name={row.site} row={row} />
            ))}
          </tbody>
          <tfoot>
            {together && <Row name={together.source} row={together} />}
            <Row name="all items together" row={overall} />
            <Row name="a typical site" row={{ ...pooled, agreement: null, n: null }} />
          </tfoot>
        </table>
      </Scroll>
    </Section>
  );
}

function Row({ name, row }: { name: string; row: Omit<AgreementFigures, "windows"> }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      {isKnown(row.kappa) ? (
        <>
          <td>
            <Whisker {...row.kappa} />
          </td>
          <td class="number">
            <strong>{figure(row.kappa.value)}</strong>{" "}
            <span class="soft">{range(row.kappa)}</span>
          </td>
        </>
      ) : (
        <td colSpan={2} class="soft why">
          {row.kappa.undefined}
        </td>
      )}
      <td class="number why">
        <Short estimate={row.alpha} />
      </td>
      <td class="number">
        {row.agreement !== null && isKnown(row.agreement) && (
          <span title={range(row.agreement)}>{percent(row.agreement.value)}</span>
        )}
      </td>
      <td class="number">{row.n === null ? "" : integer(row.n)}</td>
    </tr>
  );
}

function Short({ estimate }: { estimate: Estimate }) {
  if (!isKnown(estimate)) return <span class="soft">{estimate.undefined}</span>;
  return <span title={range(estimate)}>{figure(estimate.value)}</span>;
}

function Axis() {
  return (
    <svg class="axis" width={WIDTH} height={18} viewBox={`0 0 ${WIDTH} 18`} aria-hidden="true">
      {TICKS.map((tick) => (
        <text key={tick} x={at(tick)} y={13} text-anchor="middle">
          {tick}
        </text>
      ))}
    </svg>
  );
}

function Whisker({ value, low, high }: { value: number; low: number; high: number }) {
  const middle = HEIGHT / 2;
  return (
    <svg
      class="whisker"
      width={WIDTH}
      height={HEIGHT}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      aria-hidden="true"
    >
      {TICKS.map((tick) => (
        <line key={tick} class="grid" x1={at(tick)} x2={at(tick)} y1={0} y2={HEIGHT} />
      ))}
      <line class="error" x1={at(low)} x2={at(high)} y1={middle} y2={middle} />
      {[low, high].map((end) => (
        <line key={end} class="error" x1={at(end)} x2={at(end)} y1={middle - 5} y2={middle + 5} />
      ))}
      <circle class="dot" cx={at(value)} cy={middle} r={5} />
    </svg>
  );
}

function at(value: number): number {
  const inside = Math.min(AXIS_HIGH, Math.max(AXIS_LOW, value));
  return MARGIN + ((inside - AXIS_LOW) / (AXIS_HIGH - AXIS_LOW)) * (WIDTH - 2 * MARGIN);
}
