// Numbers as people read them.

export function figure(value: number, digits = 2): string {
  return value.toFixed(digits).replace("-", "−");
}

export function percent(value: number): string {
  return `${Math.round(value * 100)} %`;
}

/** A small share with two digits that count: 0.94 %. */
export function finePercent(value: number): string {
  return `${Number((value * 100).toPrecision(2))} %`;
}

export function integer(value: number): string {
  return value.toLocaleString("en");
}

export function range({ low, high }: { low: number; high: number }): string {
  return `${figure(low)} to ${figure(high)}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${integer(count)} ${count === 1 ? one : many}`;
}

/** `22 Nov 2026`, in the reader's own time zone. */
export function date(seconds: number): string {
  return new Date(seconds * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

export function time(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}
