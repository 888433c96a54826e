// A text that can be marked. The text nodes never change; marks are painted over them.

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Label, Span } from "../contract";
import { extentOf, layout, linking, passage, picked, pickExtent, selectAt } from "../kinds/spans";
import { marksOf, relationsOf } from "../label";
import { Passage, type Extent } from "../text";
import * as work from "../work";
import { arcBetween, Arcs, type Arc } from "./arcs";
import { canPaint, paint, type Stroke } from "./paint";
import { useWidth } from "./width";

/** The text of the card on the table, with the label that is worked on. */
export function WorkPassage({ title }: { title: string }) {
  const root = useRef<HTMLDivElement>(null);
  const arcs = useSignal<Arc[]>([]);
  const width = useWidth(root);
  const shown = [passage, work.label, work.selected, picked, linking].map(({ value }) => value);
  // After each rendering: the ranges are of text nodes that may have changed with the card.
  useLayoutEffect(() => {
    if (root.current === null) return;
    const strokes = strokesOf(root.current, passage.value);
    paint(root, strokes);
    arcs.value = arcsOf(root.current, passage.value);
    reveal(strokes.findLast(({ name }) => name === "picked" || name === "selected")?.range);
  }, [...shown, width]);
  useEffect(() => {
    layout.value = {
      beside: (extent, lines) => (root.current === null ? null : offsetBeside(root.current, passage.value, extent, lines)),
      rightToLeft: () => root.current !== null && getComputedStyle(root.current).direction === "rtl",
    };
    return () => {
      layout.value = null;
      paint(root, []);
    };
  }, []);
  useEffect(() => {
    const chosen = () => {
      const extent = root.current === null ? null : selectedExtent(root.current, passage.value);
      if (extent !== null) pickExtent(extent);
    };
    document.addEventListener("selectionchange", chosen);
    return () => document.removeEventListener("selectionchange", chosen);
  }, []);
  return (
    <div class="passage-frame">
      {!canPaint && <p class="note">This browser cannot paint marks over text; the list beside it has them all.</p>}
      <div
        ref={root}
        class="prose passage"
        dir="auto"
        role="textbox"
        aria-readonly="true"
        aria-multiline="true"
        aria-label={title}
        tabIndex={0}
        data-surface
        data-passage
        onClick={(event) => {
          if (root.current === null || !(getSelection()?.isCollapsed ?? true)) return;
          const offset = offsetUnder(root.current, passage.value, event.clientX, event.clientY);
          pickExtent(null);
          if (offset !== null) selectAt(offset);
        }}
      >
        <Pieces passage={passage.value} />
      </div>
      <Arcs arcs={arcs.value} />
    </div>
  );
}

/** What somebody said about the same text. `differs`: which marks nobody else has. */
export function StillPassage({ label, differs }: { label: Label; differs: boolean[] }) {
  const root = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (root.current === null) return;
    const strokes = marksOf(label).flatMap((mark, index): Stroke[] => {
      const range = rangeOf(root.current!, passage.value, extentOf(mark as Span));
      const name = `marked-${mark.class}`;
      return differs[index] ? [{ name, range }, { name: "differs", range }] : [{ name, range }];
    });
    paint(root, strokes);
    return () => paint(root, []);
  }, [label, passage.value]);
  return (
    <div ref={root} class="prose passage" dir="auto">
      <Pieces passage={passage.value} />
    </div>
  );
}

/** Exactly one child a piece: places in the text are found by it. */
export function Pieces({ passage: { pieces } }: { passage: Passage }) {
  return (
    <>
      {pieces.map(({ shown, mask, start }) =>
        mask ? (
          <span class="mask" key={start}>
            {shown}
          </span>
        ) : (
          shown
        ),
      )}
    </>
  );
}

function strokesOf(root: Element, text: Passage): Stroke[] {
  const strokes: Stroke[] = work.marks.value.map((mark) => ({
    name: `${work.isDraft(mark) ? "drafted" : "marked"}-${mark.class}`,
    range: rangeOf(root, text, extentOf(mark as Span)),
  }));
  const over = (index: number | null | undefined, name: string) => {
    const span = work.marks.value[index ?? -1];
    if (span !== undefined) strokes.push({ name, range: rangeOf(root, text, extentOf(span as Span)) });
  };
  const relation = relationsOf(work.label.value)[(work.selected.value ?? -1) - work.marks.value.length];
  over(linking.value?.from ?? relation?.from, "linked");
  over(relation?.to ?? work.selected.value, "selected");
  if (picked.value !== null) strokes.push({ name: "picked", range: rangeOf(root, text, picked.value) });
  return strokes;
}

function arcsOf(root: Element, text: Passage): Arc[] {
  const frame = root.parentElement!.getBoundingClientRect();
  const boxOf = (index: number) => {
    const range = rangeOf(root, text, extentOf(work.marks.value[index] as Span));
    // A span may go on in the next line: its first line counts.
    return range.getClientRects()[0] ?? range.getBoundingClientRect();
  };
  return work.relations.value.map(({ from, to }, index) => ({
    path: arcBetween(boxOf(from), boxOf(to), frame),
    selected: work.selected.value === work.marks.value.length + index,
  }));
}

export function rangeOf(root: Element, text: Passage, { start, end }: Extent): Range {
  const range = document.createRange();
  const [first, last] = [placeOf(root, text, start, false), placeOf(root, text, end, true)];
  if (first !== null) range.setStart(...first);
  if (last !== null) range.setEnd(...last);
  return range;
}

/** Where an offset is in the document; inside a redacted value it is at its edge. */
function placeOf(root: Element, { pieces }: Passage, offset: number, isEnd: boolean): [Node, number] | null {
  const index = pieces.findIndex(({ start, end }) => (isEnd ? offset <= end : offset < end) && offset >= start);
  const piece = pieces[index];
  const node = root.childNodes[index];
  if (piece === undefined || node === undefined) return null;
  if (!piece.mask) return [node, offset - piece.start];
  return [node.firstChild ?? node, isEnd ? piece.shown.length : 0];
}

/** The offset of a place in the document; null outside the text. */
function offsetOf(root: Element, { pieces, text }: Passage, node: Node, at: number, isEnd: boolean): number | null {
  if (node === root) return pieces[at]?.start ?? text.length;
  if (!root.contains(node)) return null;
  const index = [...root.childNodes].findIndex((child) => child.contains(node));
  const piece = pieces[index];
  if (piece === undefined) return null;
  if (piece.mask) return isEnd ? piece.end : piece.start;
  return piece.start + at;
}

/** The selection of the pointer inside a text; what sticks out of it is cut off. */
function selectedExtent(root: Element, text: Passage): Extent | null {
  const selection = getSelection();
  if (selection === null || selection.isCollapsed || selection.rangeCount === 0) return null;
  const range = selection.getRangeAt(0);
  if (!range.intersectsNode(root)) return null;
  const start = offsetOf(root, text, range.startContainer, range.startOffset, false) ?? 0;
  const end = offsetOf(root, text, range.endContainer, range.endOffset, true) ?? text.text.length;
  const begins = root.contains(range.startContainer) || root.contains(range.endContainer);
  return begins && end > start ? { start, end } : null;
}

interface Caret {
  offsetNode: Node;
  offset: number;
}

function offsetUnder(root: Element, text: Passage, x: number, y: number): number | null {
  const page = document as Document & { caretPositionFromPoint?(x: number, y: number): Caret | null };
  const caret = page.caretPositionFromPoint?.(x, y);
  if (caret) return offsetOf(root, text, caret.offsetNode, caret.offset, false);
  const range = page.caretPositionFromPoint === undefined ? document.caretRangeFromPoint(x, y) : null;
  return range && offsetOf(root, text, range.startContainer, range.startOffset, false);
}

function offsetBeside(root: Element, text: Passage, extent: Extent, lines: number): number | null {
  const rects = rangeOf(root, text, extent).getClientRects();
  const from = lines > 0 ? rects[rects.length - 1] : rects[0];
  if (from === undefined) return null;
  const height = Number.parseFloat(getComputedStyle(root).lineHeight);
  return offsetUnder(root, text, from.left + from.width / 2, from.top + from.height / 2 + lines * height);
}

/** Scrolls as far as a stretch of text needs to be seen. */
function reveal(range: Range | undefined): void {
  if (range === undefined) return;
  const { top, bottom } = range.getBoundingClientRect();
  if (top < 0) scrollBy({ top: top - innerHeight / 4 });
  else if (bottom > innerHeight) scrollBy({ top: bottom - (innerHeight * 3) / 4 });
}
