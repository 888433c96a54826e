// The label as a list: what a screen reader reads of the marks, and where all of them can be operated.

import { useLayoutEffect, useRef } from "preact/hooks";
import { colourOf } from "../colours";
import type { Mark, Project } from "../contract";
import { current } from "../deck";
import { currentKind } from "../kinds";
import { linking, linkTo, relationNames } from "../kinds/spans";
import { marksOf, sameMark, taskOf } from "../label";
import { draftOf } from "../review";
import * as work from "../work";
import { count, nameOf } from "../words";
import { scrollWithin } from "./scroll";
import { Swatch } from "./swatch";

const WHAT = { spans: "span", regions: "region", segments: "segment" } as Record<string, string>;

export function Marks({ project }: { project: Project }) {
  const list = useRef<HTMLUListElement>(null);
  const inside = useRef(false);
  const selected = work.selected.value;
  const marks = work.marks.value;
  const relations = work.relations.value;
  const kind = currentKind();
  useLayoutEffect(() => {
    const row = list.current?.querySelector<HTMLElement>('[aria-current="true"]');
    scrollWithin(list.current, row);
    // The row that had the focus may be gone.
    if (inside.current && document.activeElement === document.body) row?.focus();
  }, [selected, marks]);
  const row = (index: number) => ({
    index,
    current: selected === index,
    // One stop for the tab key: the arrows go on from there.
    reachable: (selected ?? 0) === index,
  });
  return (
    <section class="marks" aria-labelledby="marks-title">
      <h3 id="marks-title">{count(marks.length, WHAT[taskOf(project).kind] ?? "mark")}</h3>
      {linking.value?.to === null && <p class="note">Relate to which one? Select it, then enter.</p>}
      <ul
        ref={list}
        onKeyDown={(event) => walk(event, list.current)}
        onFocusIn={() => {
          inside.current = true;
        }}
        onFocusOut={({ relatedTarget }) => {
          inside.current = relatedTarget === null && inside.current;
        }}
      >
        {marks.map((mark, index) => (
          <Row key={`mark ${index}`} {...row(index)}>
            <Swatch colour={colourOf(project.classes, mark.class)} index={mark.class} />
            <strong>{nameOf(project.classes, mark.class)}</strong> <bdi>{kind.describe?.(mark)}</bdi>{" "}
            {work.isDraft(mark) && <span class="tag">suggested{scoreOf(mark)}</span>}
          </Row>
        ))}
        {relations.map(({ from, to, relation }, index) => (
          <Row key={`relation ${index}`} {...row(marks.length + index)}>
            <bdi>{kind.describe?.(marks[from]!)}</bdi> <strong>{relationNames.value[relation] ?? relation}</strong>{" "}
            <bdi>{kind.describe?.(marks[to]!)}</bdi>
          </Row>
        ))}
      </ul>
    </section>
  );
}

/** How sure the maker of the suggestion is of this mark. */
function scoreOf(mark: Mark): string {
  const card = current.value;
  const drafted = marksOf(card && (draftOf(card)?.label ?? null));
  const score = card?.prelabel?.scores?.[drafted.findIndex((other) => sameMark(other, mark))];
  return typeof score === "number" ? `, ${Math.round(score * 100)} %` : "";
}

interface RowProps {
  index: number;
  current: boolean;
  reachable: boolean;
  children: preact.ComponentChildren;
}

function Row({ index, current, reachable, children }: RowProps) {
  return (
    <li>
      <button
        type="button"
        class="mark-row"
        aria-current={current}
        tabIndex={reachable ? 0 : -1}
        onClick={() => {
          if (linking.value !== null) linkTo(index);
          else work.select(index);
        }}
      >
        {children}
      </button>
    </li>
  );
}

function walk(event: KeyboardEvent, list: HTMLUListElement | null): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined || list === null) return;
  event.preventDefault();
  const rows = [...list.querySelectorAll<HTMLElement>(".mark-row")];
  const to = Math.min(Math.max(rows.indexOf(document.activeElement as HTMLElement) + step, 0), rows.length - 1);
  work.select(to);
  rows[to]?.focus();
}
