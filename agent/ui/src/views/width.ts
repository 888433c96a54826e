// How wide an element is, also after the window or the tablet was turned.

import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

/** CSS pixels; 1 before the element is laid out. */
export function useWidth(element: RefObject<HTMLElement | null>): number {
  const width = useSignal(1);
  useLayoutEffect(() => {
    const shown = element.current;
    if (shown === null) return;
    width.value = Math.max(1, shown.clientWidth);
    const observer = new ResizeObserver(() => {
      width.value = Math.max(1, shown.clientWidth);
    });
    observer.observe(shown);
    return () => observer.disconnect();
  }, []);
  return width.value;
}

/** How far from a handle a press still takes it, in CSS pixels: a finger needs more than a mouse. */
export function reachPx(): number {
  return matchMedia("(pointer: coarse)").matches ? 22 : 9;
}
