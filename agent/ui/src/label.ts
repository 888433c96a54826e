// Labels as values: what is in one, whether two are equal, and the order in which marks are kept.

import type { Label, Mark, Relation, Task } from "./contract";

/** What the agent takes at most in one label. */
export const MARKS_MAX = 1000;

const NO_TASK: Task = { kind: "class" };

export function taskOf(project: { task?: Task } | null): Task {
  return project?.task ?? NO_TASK;
}

/** Whether one class is the whole label, so that choosing it decides. */
export function isOneClass({ kind }: Task): boolean {
  return kind === "class" || kind === "preference";
}

/** Where a label starts when nobody drafted one: null where one class has to be chosen. */
export function emptyLabel({ kind }: Task): Label | null {
  switch (kind) {
    case "class":
    case "preference":
      return null;
    case "classes":
      return { classes: [] };
    case "spans":
      return { spans: [], relations: [] };
    case "regions":
      return { regions: [] };
    case "segments":
      return { segments: [] };
  }
}

export function marksOf(label: Label | null): Mark[] {
  if (label === null) return [];
  if ("spans" in label) return label.spans;
  if ("regions" in label) return label.regions;
  return "segments" in label ? label.segments : [];
}

export function relationsOf(label: Label | null): Relation[] {
  return label !== null && "spans" in label ? (label.relations ?? []) : [];
}

/** The same kind of label with other marks and relations. */
export function withMarks(label: Label, marks: Mark[], relations = relationsOf(label)): Label {
  if ("spans" in label) return { spans: marks, relations } as Label;
  return ("regions" in label ? { regions: marks } : { segments: marks }) as Label;
}

/** Marks in reading order, each once, and relations that still mean the same marks. */
export function canonical(label: Label): Label {
  if ("class" in label) return label;
  if ("classes" in label) return { classes: [...new Set(label.classes)].sort((a, b) => a - b) };
  const marks = marksOf(label);
  const order = byRank(marks).filter(
    (index, place, all) => place === 0 || compare(marks[index]!, marks[all[place - 1]!]!) !== 0,
  );
  const placeOf = (index: number) => order.findIndex((kept) => compare(marks[kept]!, marks[index]!) === 0);
  const relations = relationsOf(label)
    .map(({ from, to, relation }) => ({ from: placeOf(from), to: placeOf(to), relation }))
    .sort((a, b) => a.from - b.from || a.to - b.to || a.relation - b.relation);
  return withMarks(label, order.map((index) => marks[index]!), distinct(relations));
}

/** The marks' indices in reading order; marks of equal rank stay as they lie. */
export function byRank(marks: Mark[]): number[] {
  return marks.map((_, index) => index).sort((a, b) => compare(marks[a]!, marks[b]!) || a - b);
}

export function sameLabel(a: Label | null, b: Label | null): boolean {
  if (a === null || b === null) return a === b;
  return JSON.stringify(comparable(a)) === JSON.stringify(comparable(b));
}

export function sameMark(a: Mark, b: Mark): boolean {
  return compare(a, b) === 0;
}

/** Relations name spans by index: these still mean theirs after spans moved or went (null). */
export function remapped(relations: Relation[], place: (index: number) => number | null): Relation[] {
  return relations.flatMap(({ from, to, relation }) => {
    const [start, end] = [place(from), place(to)];
    return start === null || end === null ? [] : [{ from: start, to: end, relation }];
  });
}

function comparable(label: Label): unknown {
  const kept = canonical(label);
  if ("class" in kept || "classes" in kept) return kept;
  return [marksOf(kept).map(rank), relationsOf(kept).map(({ from, to, relation }) => [from, to, relation])];
}

function compare(a: Mark, b: Mark): number {
  const [left, right] = [rank(a), rank(b)];
  for (let place = 0; place < Math.max(left.length, right.length); place += 1) {
    const difference = (left[place] ?? -1) - (right[place] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Everything that makes a mark what it is, the place first. */
function rank(mark: Mark): number[] {
  if ("box" in mark) return [...mark.box, mark.class];
  if ("polygon" in mark) return [...mark.polygon.flat(), mark.class];
  const channel = "channel" in mark ? (mark.channel ?? -1) : -1;
  return [mark.start, mark.end, mark.class, channel];
}

function distinct(relations: Relation[]): Relation[] {
  return relations.filter(
    (one, place) =>
      one.from !== one.to &&
      relations.findIndex((other) => JSON.stringify(other) === JSON.stringify(one)) === place,
  );
}
