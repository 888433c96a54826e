// Decisions that the agent has not confirmed yet. They are kept in localStorage, one entry each, so that
// no reload, crash or second tab loses one, and sent in order, one at a time.
//
// Invariants: an entry holds no content of an item. It is removed only after the agent's answer. It is
// sent only in the name of the person who made it.

import { signal } from "@preact/signals";
import { Refused, Unreachable, type Api } from "./api";
import type { Annotation } from "./contract";
import { afterPaint } from "./frame";

/** More than the page can lease while offline; beyond it the page takes no decision. */
export const UNCONFIRMED_MAX = 200;
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 30_000;
const PREFIX = "insitu.unconfirmed/";
const LOCK = "insitu.unconfirmed";

export type Operation =
  | (Subject & { kind: "annotate"; annotation: Annotation })
  | (Subject & { kind: "undo"; key: string });

interface Subject {
  project: string;
  item: string;
  label: string;
  /** Where the item was decided; entries of earlier versions do not say. */
  queue?: string;
}

export interface Entry {
  /** Name in localStorage; entries are sent in the order of their names. */
  name: string;
  /** How often it may have reached the agent. */
  attempts: number;
  operation: Operation;
}

export type Link = "up" | "lost" | "signed-out";

/** This person's entries, in order. */
export const unconfirmed = signal<Entry[]>([]);
/** Entries of other people who used this browser. */
export const ofOthers = signal(0);
export const link = signal<Link>("up");

/** What the agent said in the end. */
export type Settled = (operation: Operation, refusal: Refused | null) => void;

let owner: string | null = null;
let api: Api | null = null;
let settled: Settled = () => {};
let wanted = false;
let running = false;
let retryMs = RETRY_MS_MIN;
let retryTimer: ReturnType<typeof setTimeout> | undefined;

/** Starts sending what `person` left behind, and whatever is kept from now on. */
export function open(person: string, client: Api, onSettled: Settled): void {
  owner = `${PREFIX}${encodeURIComponent(person)}/`;
  api = client;
  settled = onSettled;
  link.value = "up";
  read();
  flush();
}

/** Stops sending; entries stay. */
export function close(): void {
  api = null;
  link.value = "signed-out";
  clearTimeout(retryTimer);
}

/** Keeps an operation and sends it as soon as its turn comes. Throws when the browser cannot keep it. */
export function keep(operation: Operation): void {
  if (owner === null) throw new Error("nobody is signed in");
  const last = unconfirmed.value.at(-1)?.name.slice(owner.length) ?? "0";
  // Later than every entry before it, also when the clock was set back.
  const order = Math.max(Date.now(), Number.parseInt(last, 10) + 1);
  const name = `${owner}${String(order).padStart(15, "0")}-${randomHex(4)}`;
  const entry: Entry = { name, attempts: 0, operation };
  localStorage.setItem(name, written(entry));
  unconfirmed.value = [...unconfirmed.value, entry];
  afterPaint(flush);
}

/** Takes back a decision that was never sent. False when it may have reached the agent. */
export function withdraw(key: string): boolean {
  const entry = unconfirmed.value.find(
    ({ operation }) => operation.kind === "annotate" && operation.annotation.key === key,
  );
  if (entry === undefined || entry.attempts > 0) return false;
  localStorage.removeItem(entry.name);
  read();
  return true;
}

/** Sends what waits. Calling it twice sends nothing twice. */
export function flush(): void {
  wanted = true;
  if (!running) void run();
}

/** The agent answered something else: it is there again, also where nothing waits to be sent. */
export function reached(): void {
  if (unconfirmed.value.length === 0 && link.value === "lost") link.value = "up";
}

export function randomHex(bytes: number): string {
  // Not `crypto.randomUUID`: a page on plain http at a private address does not have it.
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function run(): Promise<void> {
  running = true;
  clearTimeout(retryTimer);
  try {
    while (wanted) {
      wanted = false;
      await exclusively(drain);
    }
  } finally {
    running = false;
  }
}

/** One tab sends at a time. Where the browser has no locks, the idempotency keys still prevent doubles. */
async function exclusively(work: () => Promise<void>): Promise<void> {
  if ("locks" in navigator) await navigator.locks.request(LOCK, work);
  else await work();
}

async function drain(): Promise<void> {
  for (;;) {
    read();
    const entry = unconfirmed.value[0];
    if (entry === undefined || api === null) return;
    entry.attempts += 1;
    localStorage.setItem(entry.name, written(entry));
    const client = api;
    try {
      await send(client, entry.operation);
      finish(entry, null);
    } catch (error) {
      if (client !== api) continue; // signed out and in again meanwhile: the entry is still there
      if (error instanceof Refused && error.status === 401) {
        close();
        return;
      }
      if (error instanceof Refused && !error.transient) {
        finish(entry, error);
        continue;
      }
      if (!(error instanceof Refused || error instanceof Unreachable)) throw error;
      link.value = "lost";
      retryTimer = setTimeout(flush, retryMs);
      retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
      return;
    }
  }
}

async function send(client: Api, operation: Operation): Promise<void> {
  if (operation.kind === "annotate") {
    await client.annotate(operation.item, operation.annotation);
    return;
  }
  try {
    await client.undo(operation.key);
  } catch (error) {
    // The annotation is gone, which is what was asked for: the answer to an earlier attempt got lost.
    if (!(error instanceof Refused && error.status === 404)) throw error;
  }
}

function finish(entry: Entry, refusal: Refused | null): void {
  localStorage.removeItem(entry.name);
  read();
  link.value = "up";
  retryMs = RETRY_MS_MIN;
  settled(entry.operation, refusal);
}

function written({ attempts, operation }: Entry): string {
  return JSON.stringify({ attempts, operation });
}

function read(): void {
  const mine: Entry[] = [];
  let others = 0;
  for (let index = 0; index < localStorage.length; index += 1) {
    const name = localStorage.key(index);
    if (name === null || !name.startsWith(PREFIX)) continue;
    if (owner === null || !name.startsWith(owner)) {
      others += 1;
      continue;
    }
    const text = localStorage.getItem(name);
    if (text !== null) mine.push({ name, ...JSON.parse(text) });
  }
  mine.sort((a, b) => (a.name < b.name ? -1 : 1));
  unconfirmed.value = mine;
  ofOthers.value = others;
}

addEventListener("online", () => {
  retryMs = RETRY_MS_MIN;
  reached();
  flush();
});
addEventListener("offline", () => {
  if (link.value === "up") link.value = "lost";
});
addEventListener("storage", (event) => {
  if (event.key === null || event.key.startsWith(PREFIX)) read();
});
