import type { Day, Report } from "./contract";
import { AsTable, Nothing, Section } from "./parts";
import { integer, plural } from "./words";

const WIDTH = 860;
const HEIGHT = 190;
const LEFT = 40;
/** Half of a date. */
const RIGHT = 22;
const BOTTOM = 24;
const TOP = 8;
const DAY_MS = 86_400_000;
const DAYS_MIN = 14;
/** Days between two dates on the axis. */
const DATE_PX = 64;

const SERIES = [
  { key: "first", title: "first reader" },
  { key: "second", title: "second reader" },
  { key: "expert", title: "expert" },
] as const;

const STAGES: Record<string, string> = {
  imported: "being redacted",
  redacted: "being prelabeled",
  quarantined: "could not be redacted",
  accepted: "accepted without a person",
  first: "wait for a first reader",
  second: "wait for a second reader",
  expert: "wait for an expert",
  review: "wait for a reviewer",
  done: "done",
};

export function Progress({ progress }: { progress: Report["progress"] }) {
  const stages = progress.stages.filter(({ items }) => items > 0);
  return (
    <Section
      name="progress"
      title="Labels over time"
      lead="Labels by day (UTC), of the last 60 days, by what they were given for."
      wide
    >
      {progress.days.length === 0 ? <Nothing>Nobody has labeled anything in this time.</Nothing> : <Bars days={progress.days} />}
      <p class="note after">
        {stages.length === 0
          ? "The project has no items yet."
          : `Items: ${stages.map(({ stage, items }) => `${integer(items)} ${STAGES[stage] ?? stage}`).join(", ")}.`}
      </p>
    </Section>
  );
}

function Bars({ days }: { days: Day[] }) {
  const all = filled(days);
  const total = (day: Day) => day.first + day.second + day.expert;
  const step = nice(Math.max(...all.map(total)) / 3);
  const top = step * Math.ceil(Math.max(...all.map(total)) / step);
  const width = (WIDTH - LEFT - RIGHT) / all.length;
  const y = (count: number) => TOP + (1 - count / top) * (HEIGHT - TOP - BOTTOM);
  const every = Math.max(1, Math.ceil(DATE_PX / width));
  const sum = days.reduce((labels, day) => labels + total(day), 0);
  return (
    <figure class="plot full">
      <p class="legend">
        {SERIES.map(({ key, title }) => (
          <span key={key}>
            <span class={`key ${key}`} /> {title}
          </span>
        ))}
      </p>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${plural(sum, "label")} on ${plural(days.length, "day")}, from ${days[0]?.day} to ${days.at(-1)?.day}.`}
      >
        {Array.from({ length: Math.round(top / step) + 1 }, (_, at) => at * step).map((count) => (
          <g key={count}>
            <line class="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={y(count)} y2={y(count)} />
            <text x={LEFT - 6} y={y(count) + 4} text-anchor="end">
              {integer(count)}
            </text>
          </g>
        ))}
        {all.map((day, index) => {
          let under = 0;
          return SERIES.map(({ key }) => {
            const from = under;
            under += day[key];
            if (day[key] === 0) return null;
            return (
              <rect
                key={key}
                class={key}
                x={LEFT + width * index + width * 0.12}
                width={width * 0.76}
                y={y(under)}
                height={y(from) - y(under)}
              />
            );
          });
        })}
        {all.map(({ day }, index) =>
          (all.length - 1 - index) % every === 0 ? (
            <text key={day} x={LEFT + width * (index + 0.5)} y={HEIGHT - 6} text-anchor="middle">
              {dayText(day)}
            </text>
          ) : null,
        )}
      </svg>
      <AsTable
        head={["Day", ...SERIES.map(({ title }) => title)]}
        rows={days.map((day) => [day.day, ...SERIES.map(({ key }) => integer(day[key]))])}
      />
    </figure>
  );
}

/** Every day up to the last one, also those without labels; at least two weeks. */
function filled(days: Day[]): Day[] {
  const byDay = new Map(days.map((day) => [day.day, day]));
  const last = Date.parse(days.at(-1)?.day ?? "");
  const first = Date.parse(days[0]?.day ?? "");
  const count = Math.max(DAYS_MIN, (last - first) / DAY_MS + 1);
  return Array.from({ length: count }, (_, index) => {
    const day = new Date(last - (count - 1 - index) * DAY_MS).toISOString().slice(0, 10);
    return byDay.get(day) ?? { day, first: 0, second: 0, expert: 0 };
  });
}

/** The next of 1, 2, 5, 10, 20, … */
function nice(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  const factor = [1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10;
  return factor * power;
}

function dayText(day: string): string {
  return new Date(day).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
}
