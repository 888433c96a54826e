// Relations drawn over a text: an arrow from one span to the other.

/** How high an arrow rises, and how long its head is, in CSS pixels. */
const RISE_PX = 13;
const HEAD_PX = 5;

export interface Arc {
  path: string;
  selected: boolean;
}

/** From the middle of one box to the middle of another, both relative to `frame`. */
export function arcBetween(from: DOMRect, to: DOMRect, frame: DOMRect): string {
  const [x1, y1] = topOf(from, frame);
  const [x2, y2] = topOf(to, frame);
  const rise = Math.min(y1, y2) - RISE_PX;
  const head = `M${x2 - HEAD_PX} ${y2 - HEAD_PX}L${x2} ${y2}L${x2 + HEAD_PX} ${y2 - HEAD_PX}`;
  return `M${x1} ${y1}C${x1} ${rise} ${x2} ${rise} ${x2} ${y2}${head}`;
}

export function Arcs({ arcs }: { arcs: Arc[] }) {
  return (
    <svg class="arcs" aria-hidden="true">
      {arcs.map(({ path, selected }, index) => (
        <path key={index} d={path} class={selected ? "selected" : ""} />
      ))}
    </svg>
  );
}

function topOf({ left, width, top }: DOMRect, frame: DOMRect): [number, number] {
  return [left + width / 2 - frame.left, top - frame.top];
}
