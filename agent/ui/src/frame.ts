// When something is done: a decision's next card is painted first, everything else can wait for it.

/** A frame is handed over to the screen in this time. */
const SHOWN_MS = 10;
/** A hidden tab paints nothing: then it is done after this. */
const UNPAINTED_MS = 100;

let awaited = 0;

/** Whether somebody waits for a frame: what takes long would hold it up. */
export function isFrameAwaited(): boolean {
  return awaited > 0;
}

/** After the next frame is on the screen. */
export function afterPaint(run: () => void): void {
  let done = false;
  awaited += 1;
  const once = () => {
    if (done) return;
    done = true;
    awaited -= 1;
    run();
  };
  requestAnimationFrame(() => setTimeout(once, SHOWN_MS));
  setTimeout(once, UNPAINTED_MS);
}

/** Before the next frame, when every part of the page has rendered: measuring lays the page out once. */
export function afterRender(run: () => void): void {
  queueMicrotask(run);
}
