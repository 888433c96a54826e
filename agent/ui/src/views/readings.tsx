// What the readers of an item said, side by side for the expert who settles it: what they do not share stands out.

import { colourOf } from "../colours";
import type { Card, Label, Project, Relation } from "../contract";
import { currentKind } from "../kinds";
import { relationNames } from "../kinds/spans";
import { marksOf, relationsOf, sameMark, taskOf } from "../label";
import * as review from "../review";
import { labelInWords, nameOf } from "../words";
import { StillPassage } from "./passage";
import { StillScan } from "./scan";
import { Swatch } from "./swatch";
import { StillTraces } from "./traces";

export function Readings({ card, project }: { card: Card; project: Project }) {
  const labels = (card.readings ?? []).map(({ label }) => label);
  return (
    <section class="readings" aria-labelledby="readings-title">
      <h3 id="readings-title" class="field-title">
        What the readers said; what only one of them said is marked <mark>only here</mark>
      </h3>
      <ol>
        {labels.map((label, index) => (
          <Reading
            key={index}
            card={card}
            project={project}
            label={label}
            others={labels.filter((_, place) => place !== index)}
            index={index}
          />
        ))}
      </ol>
    </section>
  );
}

interface ReadingProps {
  card: Card;
  project: Project;
  label: Label;
  others: Label[];
  index: number;
}

function Reading({ card, project, label, others, index }: ReadingProps) {
  const { classes } = project;
  const taken = review.taken.value === index;
  const next = (review.taken.value ?? -1) + 1 === index;
  const alike = currentKind().alike ?? sameMark;
  const differs = marksOf(label).map(
    (mark) => !others.every((other) => marksOf(other).some((one) => alike(one, mark, [other, label]))),
  );
  return (
    <li class={taken ? "reading taken" : "reading"}>
      <h4>Reader {index + 1}</h4>
      <Picture card={card} project={project} label={label} differs={differs} />
      <ul>
        {wholeClasses(label).map((one) => (
          <Line key={one} only={!others.every((other) => wholeClasses(other).includes(one))}>
            <strong>{nameOf(classes, one)}</strong>
          </Line>
        ))}
        {marksOf(label).map((mark, place) => (
          <Line key={place} only={differs[place]!}>
            <Swatch colour={colourOf(classes, mark.class)} index={mark.class} />
            <strong>{nameOf(classes, mark.class)}</strong> <bdi>{currentKind().describe?.(mark)}</bdi>
          </Line>
        ))}
        {relationsOf(label).map((relation, place) => (
          <Line key={place} only={!others.every((other) => hasRelation(other, label, relation))}>
            <bdi>{currentKind().describe?.(marksOf(label)[relation.from]!)}</bdi>{" "}
            <strong>{relationNames.value[relation.relation]}</strong>{" "}
            <bdi>{currentKind().describe?.(marksOf(label)[relation.to]!)}</bdi>
          </Line>
        ))}
      </ul>
      {wholeClasses(label).length + differs.length === 0 && <p class="note">{labelInWords(label, classes)}</p>}
      <button type="button" aria-pressed={taken} onClick={() => review.take(index)}>
        {taken ? "Taken over" : "Take over"} {next && <kbd>T</kbd>}
      </button>
    </li>
  );
}

function Picture({ card, project, label, differs }: Omit<ReadingProps, "others" | "index"> & { differs: boolean[] }) {
  const task = taskOf(project);
  const field = "field" in task ? card.fields.find(({ name }) => name === task.field) : undefined;
  if (field === undefined) return null;
  if (task.kind === "spans") return <StillPassage label={label} differs={differs} />;
  if (task.kind === "regions") return <StillScan field={field} label={label} differs={differs} />;
  return <StillTraces field={field} label={label} differs={differs} small />;
}

function Line({ only, children }: { only: boolean; children: preact.ComponentChildren }) {
  return (
    <li class={only ? "only" : "shared"}>
      {children} {only && <mark>only here</mark>}
    </li>
  );
}

function wholeClasses(label: Label): number[] {
  if ("class" in label) return [label.class];
  return "classes" in label ? label.classes : [];
}

function hasRelation(other: Label, label: Label, { from, to, relation }: Relation): boolean {
  const [start, end] = [marksOf(label)[from]!, marksOf(label)[to]!];
  return relationsOf(other).some(
    (one) =>
      one.relation === relation &&
      sameMark(marksOf(other)[one.from]!, start) &&
      sameMark(marksOf(other)[one.to]!, end),
  );
}
