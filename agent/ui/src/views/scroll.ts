// Scrolls a list, and nothing around it: the page must not move under a hand that draws.

export function scrollWithin(list: Element | null, row: Element | null | undefined): void {
  if (!list || !row) return;
  const [frame, box] = [list.getBoundingClientRect(), row.getBoundingClientRect()];
  list.scrollTop += Math.min(0, box.top - frame.top) + Math.max(0, box.bottom - frame.bottom);
}
