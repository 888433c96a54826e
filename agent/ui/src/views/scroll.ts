// Scrolls a list, and nothing around it: the page must not move under a hand that draws.

import { afterRender } from "../frame";

export function scrollWithin(list: Element | null, row: Element | null | undefined): void {
  if (!list || !row) return;
  afterRender(() => {
    const [frame, box] = [list.getBoundingClientRect(), row.getBoundingClientRect()];
    const by = Math.min(0, box.top - frame.top) + Math.max(0, box.bottom - frame.bottom);
    if (by !== 0) list.scrollTop += by;
  });
}
