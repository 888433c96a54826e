import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface Props {
  title: string;
  /** One sentence: how to read what follows. */
  lead?: string;
  /** What to say instead, while there is nothing to show. */
  empty?: ComponentChildren;
  children?: ComponentChildren;
}

export function Section({ title, lead, empty = false, children }: Props) {
  const heading = useId();
  return (
    <section class="card" aria-labelledby={heading}>
      <h3 id={heading}>{title}</h3>
      {empty === false ? (
        <>
          {lead !== undefined && <p class="lead">{lead}</p>}
          {children}
        </>
      ) : (
        <p class="empty">{empty}</p>
      )}
    </section>
  );
}

/** A table that scrolls within itself on a narrow screen, reachable by keyboard. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div class="scroll" role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}
