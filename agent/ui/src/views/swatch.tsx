// A class's colour as it is on the item: with the underline that tells it from others without colour.

/** Colours repeat their underline after five. */
export const UNDERLINES = ["solid", "dashed", "double", "dotted", "wavy"] as const;

export function Swatch({ colour, index }: { colour: string; index: number }) {
  return (
    <span
      class="swatch"
      aria-hidden="true"
      style={{ background: `${colour}33`, textDecoration: `underline ${underlineOf(index)} ${colour} 2px` }}
    >
      ab
    </span>
  );
}

export function underlineOf(index: number): string {
  return UNDERLINES[index % UNDERLINES.length]!;
}
