// The project's classes as buttons: what a digit does, for the pointer and the screen reader.

import { useLayoutEffect, useRef } from "preact/hooks";
import { colourOf } from "../colours";
import type { Card, Project } from "../contract";
import { classCap, digitCap } from "../keys";
import { currentKind } from "../kinds";
import { PREFERENCE_CAPS } from "../kinds/classes";
import { linking, relationNames } from "../kinds/spans";
import { isOneClass, marksOf, taskOf } from "../label";
import * as review from "../review";
import * as work from "../work";
import { scrollWithin } from "./scroll";
import { Swatch } from "./swatch";

export function Classes({ card, project }: { card: Card; project: Project }) {
  const task = taskOf(project);
  const list = useRef<HTMLFieldSetElement>(null);
  const chosen = chosenClasses();
  const suggested = isOneClass(task) || task.kind === "classes" ? suggestedClasses(card) : [];
  // A taxonomy may be longer than its list is high.
  useLayoutEffect(() => {
    scrollWithin(list.current, list.current?.querySelector(".chosen"));
  }, [card.item, chosen[0]]);
  const colours = hasMarks(project);
  return (
    <fieldset ref={list} class={colours ? "classes short" : "classes"}>
      <legend>{review.rejecting.value && isOneClass(task) ? "Which class is it?" : legendOf(project)}</legend>
      {project.classes.map(({ name, description }, index) => {
        const cap = task.kind === "preference" ? PREFERENCE_CAPS[index] : classCap(index);
        const on = chosen.includes(index);
        return (
          <button
            key={name}
            type="button"
            class={on ? "class chosen" : "class"}
            data-class={index}
            aria-pressed={on}
            title={description}
            onClick={() => currentKind().choose(index, false)}
          >
            {cap == null ? <span /> : <kbd>{cap}</kbd>}
            <span>
              {colours && <Swatch colour={colourOf(project.classes, index)} index={index} />}
              {name}
            </span>
            {suggested.includes(index) && <span class="tag">suggested</span>}
          </button>
        );
      })}
    </fieldset>
  );
}

/** The kinds of relations, where digits mean them. */
export function Relations() {
  const selected = work.relations.value[(work.selected.value ?? -1) - work.marks.value.length];
  const shown = linking.value === null ? selected?.relation : undefined;
  return (
    <fieldset class="classes short">
      <legend>{linking.value === null ? "Relation" : "Which relation?"}</legend>
      {relationNames.value.map((name, index) => (
        <button
          key={name}
          type="button"
          class={shown === index ? "class chosen" : "class"}
          aria-pressed={shown === index}
          onClick={() => currentKind().choose(index, false)}
        >
          <kbd>{digitCap(index)}</kbd>
          <span>{name}</span>
        </button>
      ))}
    </fieldset>
  );
}

/** Whether a label of this project is made of marks on the item. */
export function hasMarks(project: Project): boolean {
  return ["spans", "regions", "segments"].includes(taskOf(project).kind);
}

function legendOf(project: Project): string {
  switch (taskOf(project).kind) {
    case "classes":
      return "Classes, any number of them";
    case "preference":
      return "Which is better?";
    case "class":
      return "Class";
    default:
      return work.selectedMark.value === null ? "Class of the next one" : "Class of the selected one";
  }
}

function chosenClasses(): number[] {
  const label = work.label.value;
  if (label === null) return [];
  if ("class" in label) return [label.class];
  if ("classes" in label) return label.classes;
  const mark = marksOf(label)[work.selected.value ?? -1];
  // Words are given a class when they are picked: nothing is chosen before.
  return mark === undefined && "spans" in label ? [] : [mark?.class ?? work.brush.value];
}

function suggestedClasses(card: Card): number[] {
  const label = review.draftOf(card)?.label;
  if (label === undefined) return [];
  if ("class" in label) return [label.class];
  return "classes" in label ? label.classes : [];
}
