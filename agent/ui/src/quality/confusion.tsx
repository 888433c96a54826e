import { useSignal } from "@preact/signals";
import type { Cells, Report } from "./contract";
import { AsTable, Nothing, Section } from "./parts";
import { integer } from "./words";

/** With more classes the cells are too small to read: the pairs that differ most are listed. */
const CLASSES_DRAWN_MAX = 12;
const PAIRS_LISTED_MAX = 15;
const SIZE = 420;
const LEFT = 108;
const TOP = 44;
/** The shade of the greatest cell; text stays readable on it. */
const SHADE_MAX = 0.45;
/** How wide a letter of a name is, at most. */
const LETTER_PX = 6.8;

interface Choice {
  title: string;
  rows: string;
  columns: string;
  cells: Cells;
}

export function Confusion({ report }: { report: Report }) {
  const chosen = useSignal(0);
  const { readers, model } = report.agreement;
  const choices: Choice[] = [
    { title: "First and second reader", rows: "first reader", columns: "second reader", cells: readers.matrix },
    { title: "Model and label of record", rows: "model", columns: "label", cells: model.matrix },
    ...report.people.people.map(({ name, matrix }) => ({
      title: `Consensus and ${name}`,
      rows: "consensus",
      columns: name,
      cells: matrix,
    })),
  ];
  const choice = choices[chosen.value] ?? choices[0];
  if (choice === undefined) return null;
  return (
    <Section name="confusion" title="Who says what" lead="How often two labels of one item go together. Off the diagonal they differ.">
      <p class="choose">
        <label for="confusion">Compare</label>
        <select id="confusion" value={chosen.value} onChange={(event) => (chosen.value = Number(event.currentTarget.value))}>
          {choices.map(({ title }, index) => (
            <option key={title} value={index}>
              {title}
            </option>
          ))}
        </select>
      </p>
      <HeatMap choice={choice} classes={report.classes} />
    </Section>
  );
}

function HeatMap({ choice, classes }: { choice: Choice; classes: string[] }) {
  const { cells, rows, columns } = choice;
  if (cells.length === 0) return <Nothing>No item has both labels yet.</Nothing>;
  const name = (index: number) => classes[index] ?? `class ${index}`;
  const pairs = [...cells].sort((a, b) => b[2] - a[2]);
  const head = [rows, columns, "items"];
  const table = pairs.map(([row, column, count]) => [name(row), name(column), integer(count)]);
  if (classes.length > CLASSES_DRAWN_MAX) {
    const differ = pairs.filter(([row, column]) => row !== column).slice(0, PAIRS_LISTED_MAX);
    return (
      <ul class="pairs">
        {differ.map(([row, column, count]) => (
          <li key={`${row}-${column}`}>
            “{name(row)}” and “{name(column)}”: {integer(count)}
          </li>
        ))}
      </ul>
    );
  }
  const side = (SIZE - LEFT) / classes.length;
  const height = Math.min(side, 64);
  const counts = new Map<string, number>();
  for (const [row, column, count] of cells) counts.set(`${row}-${column}`, count);
  return (
    <figure class="plot">
      <svg viewBox={`0 0 ${SIZE} ${TOP + height * classes.length}`} role="img" aria-label={inWords(choice, name)}>
        <text x={LEFT} y={12}>
          {columns} →
        </text>
        <text x={0} y={34}>
          {rows} ↓
        </text>
        {classes.map((title, index) => (
          <g key={index}>
            <text x={LEFT + side * (index + 0.5)} y={34} text-anchor="middle" class="name">
              {short(title, side)}
            </text>
            <text x={LEFT - 8} y={TOP + height * (index + 0.5) + 4} text-anchor="end" class="name">
              {short(title, LEFT - 8)}
            </text>
          </g>
        ))}
        {classes.flatMap((_, row) => {
          const total = classes.reduce((sum, __, column) => sum + (counts.get(`${row}-${column}`) ?? 0), 0);
          return classes.map((__, column) => {
            const count = counts.get(`${row}-${column}`) ?? 0;
            const [x, y] = [LEFT + side * column, TOP + height * row];
            return (
              <g key={`${row}-${column}`}>
                <rect
                  class={row === column ? "cell same" : "cell"}
                  x={x + 1}
                  y={y + 1}
                  width={side - 2}
                  height={height - 2}
                  rx={4}
                  fill-opacity={total === 0 ? 0 : (count / total) * SHADE_MAX}
                />
                <text x={x + side / 2} y={y + height / 2 + 5} text-anchor="middle" class="count">
                  {integer(count)}
                </text>
              </g>
            );
          });
        })}
      </svg>
      <AsTable head={head} rows={table} />
    </figure>
  );
}

function inWords({ rows, columns, cells }: Choice, name: (index: number) => string): string {
  const all = cells.reduce((sum, [, , count]) => sum + count, 0);
  const same = cells.reduce((sum, [row, column, count]) => sum + (row === column ? count : 0), 0);
  const [most] = cells.filter(([row, column]) => row !== column).sort((a, b) => b[2] - a[2]);
  const differ = most === undefined ? "" : ` Most often they differ as ${name(most[0])} and ${name(most[1])}: ${most[2]}.`;
  return `${rows} and ${columns} give the same label to ${same} of ${all} items.${differ}`;
}

/** As much of a name as there is room for. */
function short(title: string, room: number): string {
  const most = Math.floor(room / LETTER_PX);
  return title.length > most ? `${title.slice(0, most - 1)}…` : title;
}
