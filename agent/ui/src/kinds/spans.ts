// Spans of a text and relations between them: what is picked, linked and moved, from the keyboard.
//
// Labels count code points; everything here counts UTF-16, as the browser does.

import { computed, effect, signal } from "@preact/signals";
import type { Command, Kind } from "../command";
import type { Card, Relation, Span } from "../contract";
import * as deck from "../deck";
import { taskOf, withMarks } from "../label";
import { say } from "../say";
import { Passage, type Extent } from "../text";
import * as work from "../work";
import { nameOf } from "../words";
import { deselect, markCommands } from "./marks";

/** A stretch of text that the next digit makes a span of. */
export interface Picked extends Extent {
  /** Taken as it is, not snapped to tokens. */
  exact: boolean;
}

export const picked = signal<Picked | null>(null);
/** A relation under way: it starts at `from`, and asks for its kind once it has `to`. */
export const linking = signal<{ from: number; to: number | null } | null>(null);
const text = computed(() => textOf(deck.current.value));
export const passage = computed(() => new Passage(text.value));
export const relationNames = computed(() => {
  const task = taskOf(deck.project.value);
  return task.kind === "spans" ? (task.relations ?? []) : [];
});

/** How the text lies on the screen. */
export interface Layout {
  /** The offset one line below or above a stretch of text; null where there is no line. */
  beside(extent: Extent, lines: number): number | null;
  rightToLeft(): boolean;
}

/** Set by the view while it shows the text. */
export const layout = signal<Layout | null>(null);

/** Where a walk with shift held started, and where it is. */
let walk = { anchor: 0, head: 0 };

export const spans: Kind = {
  digits: "Make a span of the selected words, or give the selected span a class; with alt exactly as selected",
  choose,
  countsOthers: () => linking.value?.to != null || (picked.value === null && selectedRelation() !== null),
  confirm() {
    const link = linking.value;
    if (link === null) return false;
    if (link.to === null) linkTo(work.selected.value);
    else say("Press the digit of the relation.");
    return true;
  },
  cancel() {
    if (linking.value === null && picked.value === null) return deselect();
    linking.value = null;
    picked.value = null;
    return true;
  },
  describe: (mark) => `“${wordsOf(extentOf(mark as Span))}”`,
  commands: [
    ...markCommands("span or relation"),
    edge("[", "Start earlier", (span) => ({ ...span, start: passage.value.before(span.start) })),
    edge("{", "Start later", (span) => ({ ...span, start: passage.value.after(span.start) })),
    edge("]", "End later", (span) => ({ ...span, end: passage.value.after(span.end) })),
    edge("}", "End earlier", (span) => ({ ...span, end: passage.value.before(span.end) })),
    {
      keys: ["l"],
      caps: ["L"],
      title: "Relate the selected span: then tab to another, enter, and a digit for the relation",
      tool: "Relate",
      run: startLink,
      onSelection: true,
      available: () => relationNames.value.length > 0,
      enabled: () => work.selectedMark.value !== null,
    },
    pick("arrowright", "→", "Pick the next word", 1, false),
    pick("arrowleft", "←", "Pick the word before", -1, false),
    line("arrowdown", "↓", "Pick a word of the next line", 1),
    line("arrowup", "↑", "Pick a word of the line before", -1),
    pick("shift+arrowright", "Shift →", "Pick one word more", 1, true),
    pick("shift+arrowleft", "Shift ←", "Pick one word less, or more to the left", -1, true),
    pick("alt+shift+arrowright", "Alt Shift →", "Pick one letter more", 1, true, true),
    pick("alt+shift+arrowleft", "Alt Shift ←", "Pick one letter less", -1, true, true),
  ],
};

/** Takes a selection of the pointer, or forgets it. */
export function pickExtent(extent: Extent | null): void {
  picked.value = extent === null ? null : { ...extent, exact: false };
  if (extent === null) return;
  walk = { anchor: extent.start, head: extent.end };
  work.select(null);
}

/** Selects the shortest span at a place of the text; while linking, the span to link to. */
export function selectAt(offset: number): void {
  const covering = work.marks.value
    .map((mark, index) => ({ ...extentOf(mark as Span), index }))
    .filter(({ start, end }) => start <= offset && offset < end)
    .sort((a, b) => a.end - a.start - (b.end - b.start));
  const found = covering[0]?.index ?? null;
  if (linking.value !== null && found !== null) linkTo(found);
  else work.select(found);
}

/** Gives the relation under way its other end. */
export function linkTo(index: number | null): void {
  const link = linking.value;
  if (link === null) return;
  if (index === null || index === link.from || index >= work.marks.value.length) {
    return say("Tab to another span, then enter.");
  }
  linking.value = { ...link, to: index };
  work.select(index);
  if (relationNames.value.length === 1) relate(0);
  else say(`Which relation? ${relationNames.value.map((name, place) => `${place + 1} ${name}`).join(", ")}`);
}

export function extentOf({ start, end }: Span): Extent {
  return { start: passage.value.fromPoints(start), end: passage.value.fromPoints(end) };
}

function choose(index: number, exact: boolean): void {
  const link = linking.value;
  const relation = selectedRelation();
  if (link?.to != null) return relate(index);
  if (picked.value === null && relation !== null) return relabelRelation(relation, index);
  if (index >= (deck.project.value?.classes.length ?? 0)) return;
  if (picked.value !== null) create(picked.value, index, exact);
  else if (work.selectedMark.value !== null) work.relabel(index);
  else say("Select words first: with the pointer, or with the arrows.");
}

function selectedRelation(): Relation | null {
  return work.relations.value[(work.selected.value ?? -1) - work.marks.value.length] ?? null;
}

function create(from: Picked, index: number, exact: boolean): void {
  const extent = exact || from.exact ? passage.value.whole(from) : passage.value.snap(from);
  picked.value = null;
  getSelection()?.removeAllRanges();
  if (extent === null) return say("There is no word in the selection.");
  work.add(spanOf(extent, index));
  say(`${nameOf(deck.project.value?.classes ?? [], index)}: ${wordsOf(extent)}`);
}

function startLink(): void {
  const from = work.selected.value;
  if (from === null || from >= work.marks.value.length) return;
  picked.value = null;
  linking.value = { from, to: null };
  say("Relate to which span? Tab to it, then enter.");
}

function relate(index: number): void {
  const link = linking.value;
  const now = work.label.value;
  if (now === null || link === null || link.to === null || index >= relationNames.value.length) return;
  const made: Relation = { from: link.from, to: link.to, relation: index };
  linking.value = null;
  const same = work.relations.value.findIndex(
    ({ from, to, relation }) => from === made.from && to === made.to && relation === made.relation,
  );
  if (same < 0) work.edit(withMarks(now, work.marks.value, [...work.relations.value, made]));
  work.select(work.marks.value.length + (same < 0 ? work.relations.value.length - 1 : same));
  say(`${relationNames.value[index]} added.`);
}

function relabelRelation(relation: Relation, index: number): void {
  if (work.label.value === null || index >= relationNames.value.length) return;
  const relations = work.relations.value.map((one) => (one === relation ? { ...one, relation: index } : one));
  work.edit(withMarks(work.label.value, work.marks.value, relations));
}

function edge(key: string, title: string, move: (extent: Extent) => Extent): Command {
  return {
    keys: [key, `alt+${key}`],
    caps: [key],
    title: `${title}, by a letter`,
    tool: title,
    repeats: true,
    onSelection: true,
    enabled: () => work.selectedMark.value !== null,
    run() {
      const span = work.selectedMark.value as Span;
      const extent = move(extentOf(span));
      if (extent.start >= extent.end) return;
      work.change(spanOf(extent, span.class), `edge${key}`);
      say(wordsOf(extent));
    },
  };
}

function pick(key: string, cap: string, title: string, step: 1 | -1, extend: boolean, exact = false): Command {
  const run = () => walkBy(step, extend, exact);
  return { keys: [key], caps: cap.split(" "), title, run, repeats: true, onItem: true };
}

function line(key: string, cap: string, title: string, lines: number): Command {
  const run = () => {
    const selected = work.selectedMark.value;
    const from = picked.value ?? (selected === null ? null : extentOf(selected as Span));
    if (from === null) return walkBy(1, false, false);
    const offset = layout.value?.beside(from, lines) ?? null;
    const token = offset === null ? undefined : passage.value.tokens.find(({ end }) => end > offset);
    if (token !== undefined) settle(token);
  };
  return { keys: [key], caps: [cap], title, run, repeats: true, onItem: true };
}

function walkBy(direction: 1 | -1, extend: boolean, exact: boolean): void {
  const step = layout.value?.rightToLeft() ? -direction : direction;
  const { tokens } = passage.value;
  if (tokens.length === 0) return;
  const selected = work.selectedMark.value;
  const from = picked.value ?? (selected === null ? null : extentOf(selected as Span));
  if (from === null) return settle(step > 0 ? tokens[0]! : tokens.at(-1)!);
  if (!extend) {
    const after = tokens.find(({ start }) => start >= from.end);
    return settle((step > 0 ? after : tokens.findLast(({ end }) => end <= from.start)) ?? from);
  }
  if (picked.value === null) walk = { anchor: from.start, head: from.end };
  let head = headAfter(walk.head, step, exact);
  if (head === walk.anchor) {
    // Nothing would be left: the walk turns round, and keeps what it started with.
    walk.anchor = step < 0 ? from.end : from.start;
    head = headAfter(head, step, exact);
  }
  if (head === walk.anchor) return;
  walk.head = head;
  const [start, end] = [Math.min(walk.anchor, head), Math.max(walk.anchor, head)];
  work.select(null);
  picked.value = { start, end, exact: exact || (picked.value?.exact ?? false) };
  say(wordsOf({ start, end }));
}

function headAfter(head: number, step: number, exact: boolean): number {
  const { tokens } = passage.value;
  if (exact) return step > 0 ? passage.value.after(head) : passage.value.before(head);
  if (step > 0) return tokens.find(({ end }) => end > head)?.end ?? head;
  return tokens.findLast(({ start }) => start < head)?.start ?? head;
}

function settle({ start, end }: Extent): void {
  walk = { anchor: start, head: end };
  work.select(null);
  picked.value = { start, end, exact: false };
  say(wordsOf({ start, end }));
}

function spanOf({ start, end }: Extent, index: number): Span {
  return { start: passage.value.toPoints(start), end: passage.value.toPoints(end), class: index };
}

function textOf(card: Card | null): string {
  const task = taskOf(deck.project.value);
  const field = task.kind === "spans" ? card?.fields.find(({ name }) => name === task.field) : undefined;
  return typeof field?.value === "string" ? field.value : "";
}

function wordsOf({ start, end }: Extent): string {
  return passage.value.text.slice(start, end);
}

effect(() => {
  void work.begun.value;
  picked.value = null;
});

effect(() => {
  // A relation under way names its span by its place, which another label may have given to another.
  void work.label.value;
  linking.value = null;
});
