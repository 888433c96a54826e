// When something is done: a decision's next card is painted first, everything else can wait for it.

/** A frame is handed over to the screen in this time. */
const SHOWN_MS = 10;
/** A hidden tab paints nothing: then it is done after this. */
const UNPAINTED_MS = 100;

/** After the next frame is on the screen. */
export function afterPaint(run: () => void): void {
  let done = false;
  const once = () => {
    if (!done) run();
    done = true;
  };
  requestAnimationFrame(() => setTimeout(once, SHOWN_MS));
  setTimeout(once, UNPAINTED_MS);
}

/** Before the next frame, when every part of the page has rendered: measuring lays the page out once. */
export function afterRender(run: () => void): void {
  queueMicrotask(run);
}
