// A text as people mark it: words, graphemes and code points over the UTF-16 that the browser counts in.
//
// Offsets are UTF-16 unless they are called points. A redacted value is one word and one grapheme.

/** A redacted value, as the agent writes it: `[NAME]`, or `[NAME:0123456789abcdef]` with a hash. */
const MASK = /(\[[A-Z][A-Z_]*(?::[0-9a-f]{16})?\])/;
/** Enough of a hash to tell two people of one text apart. */
const HASH_CHARS = 4;

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const words = new Intl.Segmenter(undefined, { granularity: "word" });

/** A run of plain text, or one redacted value. */
export interface Piece {
  start: number;
  end: number;
  shown: string;
  mask: boolean;
}

export interface Extent {
  start: number;
  end: number;
}

export class Passage {
  readonly pieces: Piece[];
  private readonly masks: Piece[];
  private words: Extent[] | null = null;
  private pointOffsets: Uint32Array | null | undefined;

  constructor(readonly text: string) {
    this.pieces = piecesOf(text);
    this.masks = this.pieces.filter(({ mask }) => mask);
  }

  /** Words and single signs, without the space between them. */
  get tokens(): Extent[] {
    this.words ??= this.pieces.flatMap((piece) => (piece.mask ? [piece] : wordsOf(piece)));
    return this.words;
  }

  /** The whole tokens that a selection touches; null when it touches none. */
  snap({ start, end }: Extent): Extent | null {
    const touched = this.tokens.filter((token) => token.start < end && token.end > start);
    if (touched.length === 0) return null;
    return { start: touched[0]!.start, end: touched.at(-1)!.end };
  }

  /** The whole graphemes that a selection touches. */
  whole({ start, end }: Extent): Extent {
    const inside = Math.min(start, this.text.length - 1);
    return { start: this.before(inside + 1), end: Math.max(this.after(inside), this.after(end - 1)) };
  }

  /** The edge of a grapheme after an offset; the end of the text at its end. */
  after(offset: number): number {
    if (offset >= this.text.length) return this.text.length;
    const mask = this.masks.find(({ start, end }) => start <= offset && offset < end);
    if (mask !== undefined) return mask.end;
    const { index, segment } = graphemes.segment(this.text).containing(offset)!;
    return index + segment.length;
  }

  /** The edge of a grapheme before an offset; 0 at the start. */
  before(offset: number): number {
    if (offset <= 0) return 0;
    const mask = this.masks.find(({ start, end }) => start < offset && offset <= end);
    return mask?.start ?? graphemes.segment(this.text).containing(offset - 1)!.index;
  }

  toPoints(offset: number): number {
    const offsets = this.offsets;
    if (offsets === null) return offset;
    let [low, high] = [0, offsets.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (offsets[middle]! < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  fromPoints(points: number): number {
    return this.offsets === null ? points : (this.offsets[points] ?? this.text.length);
  }

  /** The offset of each code point and of the end; null where both count alike. */
  private get offsets(): Uint32Array | null {
    if (this.pointOffsets === undefined) {
      this.pointOffsets = /[\ud800-\udfff]/.test(this.text) ? offsetsOf(this.text) : null;
    }
    return this.pointOffsets;
  }
}

/** `[MEDICAL_RECORD:0123…]` as `medical record 0123`. */
function maskText(mask: string): string {
  const [kind = "", hash = ""] = mask.slice(1, -1).split(":");
  return `${kind.toLowerCase().replaceAll("_", " ")} ${hash.slice(0, HASH_CHARS)}`.trimEnd();
}

function piecesOf(text: string): Piece[] {
  let start = 0;
  // `split` with a group keeps the masks, at the odd places.
  return text.split(MASK).flatMap((part, place) => {
    const piece = { start, end: start + part.length, shown: part, mask: place % 2 === 1 };
    start = piece.end;
    if (piece.mask) piece.shown = maskText(part);
    return part === "" ? [] : [piece];
  });
}

function wordsOf({ start, shown }: Piece): Extent[] {
  const found: Extent[] = [];
  for (const { index, segment } of words.segment(shown)) {
    if (segment.trim() === "") continue;
    found.push({ start: start + index, end: start + index + segment.length });
  }
  return found;
}

function offsetsOf(text: string): Uint32Array {
  const offsets: number[] = [];
  let offset = 0;
  for (const point of text) {
    offsets.push(offset);
    offset += point.length;
  }
  return Uint32Array.from([...offsets, offset]);
}
