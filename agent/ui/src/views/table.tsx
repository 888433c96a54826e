import { useLayoutEffect, useRef } from "preact/hooks";
import { SYNTHETIC, type Card } from "../contract";
import { current, leaseEnded, project, renew, supply } from "../deck";
import { afterRender } from "../frame";
import { Answer } from "./answer";
import { ItemContent } from "./item";

/** What lies on the table: an item, or why there is none. */
export function Table() {
  const card = current.value;
  if (card === null || project.value === null) return <Empty />;
  if (leaseEnded.value) return <LeaseEnded />;
  return <Item />;
}

function Item() {
  const article = useRef<HTMLElement>(null);
  const card = current.value;
  // Each new item takes the focus, so that keys act on it and a screen reader reads it. Before the
  // paint: later it would pull the focus out of a comment that a quick hand has begun.
  useLayoutEffect(
    () =>
      afterRender(() => {
        if (document.querySelector("dialog[open]") !== null) return;
        const surface = article.current?.querySelector<HTMLElement>("[data-surface]") ?? article.current;
        if (surface !== document.activeElement) surface?.focus({ preventScroll: true });
        scrollTo({ top: 0 });
      }),
    [card?.item],
  );
  const shown = project.value;
  if (card === null || shown === null) return null;
  return (
    <div class="table">
      <article ref={article} tabIndex={-1} aria-labelledby="item-title">
        <h2 id="item-title" class="unseen">
          {titleOf(card)}
        </h2>
        <ItemContent card={card} project={shown} />
      </article>
      <Answer card={card} project={shown} />
    </div>
  );
}

function titleOf({ queue, blind }: Card): string {
  if (queue === SYNTHETIC) return "Item, synthetic or real";
  return blind ? "Item, read blind" : "Item";
}

function LeaseEnded() {
  return (
    <section class="state" role="status">
      <h2>This item’s time has run out</h2>
      <p>
        Nobody was working on it here, and it may have gone to somebody else. Your unsaved work is kept in
        this tab: it comes back with the item.
      </p>
      <button type="button" class="primary" onClick={renew}>
        Get fresh items <kbd>Enter</kbd>
      </button>
    </section>
  );
}

function Empty() {
  const state = supply.value;
  switch (state.at) {
    case "refused":
      return (
        <section class="state" role="alert">
          <h2>The agent gives you no items</h2>
          <p>
            It says: {state.message}. {state.hint}
          </p>
        </section>
      );
    case "unreachable":
      return (
        <section class="state" role="status">
          <h2>No connection to the agent</h2>
          <p>Items appear as soon as it answers again. What you decided is kept on this machine.</p>
        </section>
      );
    case "empty":
      return (
        <section class="state" role="status">
          <h2>{project.value === null ? "No project yet" : "All done here"}</h2>
          <p>
            {project.value === null
              ? "The agent knows no project. It gets them from the coordinator."
              : "Nothing waits for you in this project. New items appear here while you are at the page."}
          </p>
        </section>
      );
    case "loading":
    case "ready":
      return (
        <p class="state" role="status">
          Fetching items…
        </p>
      );
  }
}
