// What a person is working on, for the card on the table: a label of any kind, what is selected in it, how
// it changes, and every change taken back; and a comment. It survives a reload of the tab.

import { batch, computed, signal } from "@preact/signals";
import type { Card, Label, Mark } from "./contract";
import {
  byRank,
  MARKS_MAX,
  marksOf,
  relationsOf,
  remapped,
  sameLabel,
  sameMark,
  withMarks,
} from "./label";
import { notify, say } from "./say";

/** Changes of one label that can be taken back. */
const EDITS_MAX = 50;
/** Changes with the same name, sooner after each other than this, are one. */
const SAME_EDIT_MS = 1_000;
// What a person marked tells about an item's content, so it is in sessionStorage: it ends with the tab.
// One entry for each person and item: what one is called back from does not overwrite another.
const WORK = "insitu.work/";
/** Entries; the oldest go first. */
const WORKS_MAX = 50;

/** Null while a class has to be chosen. */
export const label = signal<Label | null>(null);
export const comment = signal("");
export const marks = computed(() => marksOf(label.value));
export const relations = computed(() => relationsOf(label.value));
/** A mark, or behind the marks a relation. */
export const selected = signal<number | null>(null);
export const selectedMark = computed<Mark | null>(() => marks.value[selected.value ?? -1] ?? null);
/** Which corner or edge of the selected mark the arrows move; null for the whole. */
export const part = signal<number | null>(null);
/** The class of the next new mark. */
export const brush = signal(0);
/** Counts the cards that came on the table: what belongs to one card starts afresh with it. */
export const begun = signal(0);
/** Labels before each change, the newest last. */
export const edits = signal<Label[]>([]);
/** Whether the label is not what it was when the card came. */
export const changed = computed(() => !sameLabel(label.value, initial.value));

/** What was said of an item; what earlier versions left in the tab lacks parts of it. */
export interface Said {
  label?: Label | null | undefined;
  comment?: string | undefined;
}

/** Work of which the label is null where it is as drafted. */
interface Kept extends Said {
  edits: Label[];
  /** What it was made of. */
  draft: Label | null;
  at: number;
}

const initial = signal<Label | null>(null);
let item: string | null = null;
let owner = "";
let drafted: Mark[] = [];
let lastEdit = { name: "", at: 0 };

/** Starts on a card: with what was undone, with what the tab still holds of it, or as it was drafted. */
export function begin(card: Card | null, draft: Label | null, restored: Said | null): void {
  item = card?.item ?? null;
  const kept: Kept | null = restored ? null : JSON.parse(sessionStorage.getItem(owner + item) ?? "null");
  const moved = !!kept?.label && !sameLabel(kept.draft, draft);
  const said = restored ?? kept;
  drafted = marksOf(draft);
  lastEdit = { name: "", at: 0 };
  batch(() => {
    initial.value = draft;
    label.value = said?.label ?? draft;
    comment.value = said?.comment ?? "";
    edits.value = moved && draft !== null ? [...kept.edits, draft] : (kept?.edits ?? []);
    selected.value = null;
    part.value = null;
    brush.value = 0;
    begun.value += 1;
  });
  if (restored) store();
  if (moved) notify("Your unsaved work on this item is back.", "What it started from has changed: undo shows that.");
}

/** Whose work it is from now on. */
export function own(person: string): void {
  owner = `${WORK}${person}/`;
}

/** Changes the comment. */
export function write(text: string): void {
  comment.value = text;
  store();
}

/** Changes the label so that nothing has to be taken back: a selection, a drag under way. */
export function show(next: Label | null): void {
  label.value = next;
}

/** Changes the label. Changes of one `name` in quick succession are taken back together. */
export function edit(next: Label, name = "", before = label.value): void {
  const now = performance.now();
  const joined = name !== "" && name === lastEdit.name && now - lastEdit.at < SAME_EDIT_MS;
  lastEdit = { name, at: now };
  batch(() => {
    if (!joined && before !== null) edits.value = [...edits.value, before].slice(-EDITS_MAX);
    label.value = next;
    arrange();
  });
  store();
}

/** Takes the last change back. False when there is none. */
export function undoEdit(): boolean {
  const before = edits.value.at(-1);
  if (before === undefined) return false;
  lastEdit = { name: "", at: 0 };
  batch(() => {
    label.value = before;
    edits.value = edits.value.slice(0, -1);
    if ((selected.value ?? 0) >= marks.value.length + relations.value.length) select(null);
  });
  store();
  say("Change undone.");
  return true;
}

/** Replaces the whole label, as one change. */
export function replaceAll(next: Label): void {
  select(null);
  edit(next);
}

export function select(index: number | null): void {
  batch(() => {
    selected.value = index;
    part.value = null;
  });
}

/** Selects the next or the previous mark. False past either end, so that the focus can go on. */
export function cycle(step: number): boolean {
  const count = marks.value.length + relations.value.length;
  const from = selected.value ?? (step > 0 ? -1 : count);
  const to = from + step;
  if (to < 0 || to >= count) {
    select(null);
    return false;
  }
  select(to);
  return true;
}

/** Adds a mark and selects it; the same mark a second time is only selected. */
export function add(mark: Mark): void {
  if (label.value === null) return;
  const same = marks.value.findIndex((other) => sameMark(other, mark));
  if (same >= 0) return select(same);
  if (marks.value.length >= MARKS_MAX) return say(`A label holds ${MARKS_MAX} marks at most.`);
  batch(() => {
    brush.value = mark.class;
    // Behind the marks, before the relations.
    select(marks.value.length);
    edit(withMarks(label.value!, [...marks.value, mark]));
  });
}

/** Changes the selected mark. */
export function change(to: Mark, name = ""): void {
  const index = selected.value;
  const now = selectedMark.value;
  if (label.value === null || index === null || now === null || sameMark(now, to)) return;
  edit(withMarks(label.value, replaced(index, to)), name === "" ? "" : `${name}/${index}`);
}

/** Shows a mark as it will be when the hand lets go. */
export function preview(index: number, to: Mark): void {
  if (label.value !== null) show(withMarks(label.value, replaced(index, to)));
}

/** Gives the selected mark, or the next new one, a class. */
export function relabel(index: number): void {
  const mark = selectedMark.value;
  batch(() => {
    brush.value = index;
    if (mark !== null && mark.class !== index) change({ ...mark, class: index });
  });
}

/** Removes the selected mark with its relations, or the selected relation. */
export function remove(): void {
  const index = selected.value;
  if (label.value === null || index === null) return say("Select something to remove first.");
  const rest = marks.value.filter((_, place) => place !== index);
  const left =
    index < marks.value.length
      ? remapped(relations.value, (place) => (place === index ? null : place > index ? place - 1 : place))
      : relations.value.filter((_, place) => place !== index - marks.value.length);
  batch(() => {
    select(null);
    edit(withMarks(label.value!, rest, left));
    const count = rest.length + left.length;
    if (count > 0) select(Math.min(index, count - 1));
  });
  say("Removed.");
}

/** Whether a mark is as the model drafted it. */
export function isDraft(mark: Mark): boolean {
  return drafted.some((other) => sameMark(other, mark));
}

/** How a mark looks: in what is worked on, or beside what others said. */
export type Look = "drafted" | "marked" | "selected" | "shared" | "differs";

export function lookOf(mark: Mark, index: number): Look {
  if (selected.value === index) return "selected";
  return isDraft(mark) ? "drafted" : "marked";
}

/** Forgets what the tab holds of the card on the table: the label was decided on. */
export function forget(): void {
  sessionStorage.removeItem(owner + item);
  item = null;
}

/** Forgets all that the tab holds of the person, who left. */
export function forgetAll(): void {
  item = null;
  for (const name of names()) sessionStorage.removeItem(name);
}

/** Keeps work on an item, unless it is on the table: there is newer work on it. */
export function save(of: string, said: Said, draft: Label | null): void {
  if (of !== item) keep(of, { ...said, edits: [], draft, at: Date.now() });
}

function replaced(index: number, to: Mark): Mark[] {
  return marks.value.map((mark, place) => (place === index ? to : mark));
}

/** Keeps marks in reading order, with the selection and the relations on theirs. Regions have none. */
function arrange(): void {
  const now = label.value;
  if (now === null || "regions" in now) return;
  const order = byRank(marks.value);
  if (order.every((index, place) => index === place)) return;
  const placeOf = (index: number) => order.indexOf(index);
  if (selected.value !== null && selected.value < order.length) selected.value = placeOf(selected.value);
  label.value = withMarks(now, order.map((index) => marks.value[index]!), remapped(relations.value, placeOf));
}

function store(): void {
  if (item === null) return;
  const made = changed.value ? label.value : null;
  keep(item, { label: made, comment: comment.value, edits: edits.value, draft: initial.value, at: Date.now() });
}

function keep(of: string, kept: Kept): void {
  const at = (name: string) => (JSON.parse(sessionStorage.getItem(name)!) as Kept).at;
  const others = names().filter((name) => name !== owner + of);
  others.sort((a, b) => at(a) - at(b));
  for (const name of others.slice(0, Math.max(0, others.length - WORKS_MAX + 1))) sessionStorage.removeItem(name);
  try {
    sessionStorage.setItem(owner + of, JSON.stringify(kept));
  } catch {
    // Full: the label is still on the table, only a reload would lose it.
    sessionStorage.removeItem(owner + of);
  }
}

function names(): string[] {
  return Object.keys(sessionStorage).filter((name) => name.startsWith(owner));
}
