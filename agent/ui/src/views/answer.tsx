// What a person decides: the label's classes and marks, a comment, and what happens with the item.

import { COMMENT_CHARS_MAX, SYNTHETIC, type Card, type Prelabel, type Project } from "../contract";
import { currentKind } from "../kinds";
import { isOneClass, taskOf } from "../label";
import * as review from "../review";
import * as work from "../work";
import { labelInWords, REASONS, reasonInWords } from "../words";
import { Classes, hasMarks, Relations } from "./classes";
import { Marks } from "./marks";

export function Answer({ card, project }: { card: Card; project: Project }) {
  return (
    <aside id="decide" class="answer" aria-label="Decision">
      <Suggestion card={card} project={project} />
      {card.queue === SYNTHETIC && <LooksReal />}
      {currentKind().countsOthers?.() ? <Relations /> : <Classes card={card} project={project} />}
      {hasMarks(project) && <Marks project={project} />}
      <Comment />
      <Actions card={card} project={project} />
      <Provenance card={card} />
    </aside>
  );
}

function Suggestion({ card, project }: { card: Card; project: Project }) {
  if (card.queue === SYNTHETIC) {
    return (
      <p class="suggestion">
        <strong>Synthetic and real items, mixed.</strong> Say whether this one looks real, then label it. No
        suggestion is shown.
      </p>
    );
  }
  if (card.blind) {
    return (
      <p class="suggestion">
        <strong>Blind read.</strong> Decide for yourself: no suggestion is shown.
      </p>
    );
  }
  const draft = review.draftOf(card);
  if (draft === null) return <p class="suggestion">No suggestion for this item.</p>;
  const changed = !isOneClass(taskOf(project)) && work.changed.value && !review.rejecting.value;
  return (
    <div class={review.rejecting.value ? "suggestion rejected" : "suggestion"}>
      <p>
        {review.rejecting.value ? "Rejected: " : "Suggestion: "}
        <strong>{labelInWords(draft.label, project.classes)}</strong>
        {changed && ", changed by you"}
      </p>
      <Confidence prelabel={card.prelabel!} />
    </div>
  );
}

const FITTED = { model: "calibrated", site: "calibrated by your site’s labels" };

/** How sure the suggestion's maker is, and what that number is worth. */
function Confidence({ prelabel: { confidence, calibrated } }: { prelabel: Prelabel }) {
  if (confidence === null) return <p class="note">Its maker does not say how sure it is.</p>;
  const percent = Math.round(confidence * 100);
  return (
    <div
      class="confidence"
      role="meter"
      aria-label="Confidence"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      aria-valuetext={`${percent} percent`}
    >
      <span class="bar">
        <span style={{ width: `${percent}%` }} />
      </span>
      <span>
        {percent} % sure, {calibrated ? FITTED[calibrated] : "not calibrated"}
      </span>
    </div>
  );
}

function LooksReal() {
  return (
    <fieldset class="classes">
      <legend>Does it look real?</legend>
      <LooksButton real cap="R" title="Real" />
      <LooksButton real={false} cap="M" title="Made up" />
    </fieldset>
  );
}

function LooksButton({ real, cap, title }: { real: boolean; cap: string; title: string }) {
  const chosen = review.looksReal.value === real;
  return (
    <button
      type="button"
      class={chosen ? "class chosen" : "class"}
      aria-pressed={chosen}
      aria-keyshortcuts={cap.toLowerCase()}
      onClick={() => review.judge(real)}
    >
      <kbd>{cap}</kbd>
      <span>{title}</span>
    </button>
  );
}

function Comment() {
  return (
    <div class="comment">
      <label for="comment">
        Comment <kbd>C</kbd>
      </label>
      <textarea
        id="comment"
        rows={2}
        maxLength={COMMENT_CHARS_MAX}
        placeholder="Goes with your decision"
        value={work.comment.value}
        onInput={(event) => work.write(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
        }}
      />
    </div>
  );
}

function Actions({ card, project }: { card: Card; project: Project }) {
  const suggested = review.draftOf(card) !== null;
  const oneClass = isOneClass(taskOf(project));
  return (
    <div class="actions">
      {!oneClass && (
        <button
          type="button"
          class={work.changed.value || !suggested ? "whole primary" : "whole"}
          aria-keyshortcuts="Enter"
          onClick={review.submit}
        >
          Submit <kbd>Enter</kbd>
        </button>
      )}
      <button
        type="button"
        class={oneClass || !work.changed.value ? "half primary" : "half"}
        disabled={!suggested || (!oneClass && work.changed.value)}
        aria-keyshortcuts="a"
        onClick={review.accept}
      >
        Accept <kbd>A</kbd>
      </button>
      <button
        type="button"
        class="half"
        disabled={oneClass ? !suggested : work.marks.value.length === 0 && !suggested}
        aria-keyshortcuts="x"
        onClick={review.reject}
      >
        Reject <kbd>X</kbd>
      </button>
      {review.skipping.value && <Reasons />}
      <button type="button" aria-keyshortcuts="Space" aria-expanded={review.skipping.value} onClick={review.skip}>
        Skip <kbd>Space</kbd>
      </button>
      <button type="button" aria-keyshortcuts="f" onClick={review.flag}>
        Flag <kbd>F</kbd>
      </button>
      <button
        type="button"
        disabled={review.past.value.length + work.edits.value.length === 0}
        aria-keyshortcuts="Backspace Control+Z"
        onClick={review.undo}
      >
        Undo <kbd>Bksp</kbd>
      </button>
    </div>
  );
}

function Reasons() {
  return (
    <fieldset class="whole classes">
      <legend>Why skip it?</legend>
      {REASONS.map(([reason, title], index) => (
        <button key={reason} type="button" class="class" onClick={() => review.skipFor(index)}>
          <kbd>{index + 1}</kbd> {title}
        </button>
      ))}
    </fieldset>
  );
}

/** What was said by those who gave no label. */
function Notes({ card }: { card: Card }) {
  return (card.notes ?? []).map(({ verdict, reason, comment }) => (
    <div>
      <dt>{verdict === "skip" ? "Skipped" : "Flagged"}</dt>
      <dd>{[reasonInWords(reason), comment].filter(Boolean).join(": ")}</dd>
    </div>
  ));
}

function Provenance({ card }: { card: Card }) {
  return (
    <dl class="provenance">
      {card.campaign !== null && (
        <div>
          <dt>Campaign</dt>
          <dd>{card.campaign}</dd>
        </div>
      )}
      <div>
        <dt>Why this item</dt>
        <dd>{card.blind && card.queue !== SYNTHETIC ? "read blind" : card.why}</dd>
      </div>
      <div>
        <dt>Model</dt>
        <dd>{modelOf(card)}</dd>
      </div>
      <Notes card={card} />
    </dl>
  );
}

function modelOf({ blind, bundle }: Card) {
  if (blind) return "not shown";
  return bundle === null ? "none" : <code>{bundle}</code>;
}
