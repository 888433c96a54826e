// What the sections of the quality view are made of.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

const BAR_WIDTH = 72;

interface Props {
  name: string;
  title: string;
  /** What is shown, and how to read it. */
  lead: ComponentChildren;
  wide?: boolean;
  children: ComponentChildren;
}

export function Section({ name, title, lead, wide, children }: Props) {
  const heading = useId();
  return (
    <section id={`quality-${name}`} class={wide ? "panel wide" : "panel"} aria-labelledby={heading}>
      <h3 id={heading}>{title}</h3>
      <p class="note">{lead}</p>
      {children}
    </section>
  );
}

/** Tables wider than the screen scroll by themselves, also from the keyboard. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div class="scroll" role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

/** A share of one. The number stands beside it. */
export function Bar({ share }: { share: number }) {
  return (
    <svg class="bar" width={BAR_WIDTH} height={8} viewBox={`0 0 ${BAR_WIDTH} 8`} aria-hidden="true">
      <rect class="track" width={BAR_WIDTH} height={8} rx={4} />
      <rect class="fill" width={Math.max(2, BAR_WIDTH * share)} height={8} rx={4} />
    </svg>
  );
}

export function Nothing({ children }: { children: ComponentChildren }) {
  return <p class="nothing">{children}</p>;
}

/** The same figures as a table, for whoever does not see the plot. */
export function AsTable({ head, rows }: { head: string[]; rows: (string | number)[][] }) {
  return (
    <details class="as-table">
      <summary>As a table</summary>
      <table>
        <thead>
          <tr>
            {head.map((title) => (
              <th scope="col" key={title}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([first, ...rest], index) => (
            <tr key={index}>
              <th scope="row">{first}</th>
              {rest.map((cell, column) => (
                <td key={column}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
