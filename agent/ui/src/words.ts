// Labels in a few words that tell nothing about an item's content.

import type { Class, Decision, Label, Reason } from "./contract";
import { relationsOf, marksOf } from "./label";

export function labelInWords(label: Label | null, classes: Class[]): string {
  if (label === null) return "no label";
  if ("class" in label) return nameOf(classes, label.class);
  if ("classes" in label) {
    return label.classes.length === 0 ? "no class" : label.classes.map((index) => nameOf(classes, index)).join(", ");
  }
  const what = "spans" in label ? "span" : "regions" in label ? "region" : "segment";
  const relations = relationsOf(label).length;
  return count(marksOf(label).length, what) + (relations === 0 ? "" : `, ${count(relations, "relation")}`);
}

export function decisionInWords(decision: Decision, label: Label | null, classes: Class[]): string {
  if (decision === "skip") return "Skipped";
  if (decision === "flag") return "Flagged for an expert";
  return `${decision === "accept" ? "Accepted" : "Corrected to"} ${labelInWords(label, classes)}`;
}

/** Why an item is skipped, by the digit that says it. */
export const REASONS: [Reason, string][] = [
  ["unclear", "Unclear"],
  ["not_enough", "Not enough information"],
  ["wrong_kind", "Wrong kind of item"],
  ["other", "Other, as the comment says"],
];

export function reasonInWords(reason: Reason | null): string {
  return REASONS.find(([name]) => name === reason)?.[1] ?? "";
}

export function nameOf(classes: Class[], index: number): string {
  return classes[index]?.name ?? `class ${index}`;
}

export function count(number: number, what: string): string {
  return `${number === 0 ? "no" : number} ${what}${number === 1 ? "" : "s"}`;
}
