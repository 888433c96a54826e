// The items leased to this person: one on the table, the next ones ready behind it.

import { batch, computed, effect, signal } from "@preact/signals";
import { activeMs, isAway } from "./activity";
import { Refused, type Api } from "./api";
import { SYNTHETIC, type Card, type Project } from "./contract";
import { afterPaint } from "./frame";
import { expire } from "./session";
import { link, reached, unconfirmed } from "./unconfirmed";
import { view } from "./view";

/** Cards asked for at a time. */
export const CARDS_AHEAD = 10;
/** Leases that are renewed at once. */
const LEASES_MAX = 50;
/** Ask for more when no more than this many are left. */
const CARDS_LOW = 6;
/** A lease that ends sooner than this is renewed while its holder works. */
const LEASE_RENEW_MS = 300_000;
/** No more often than this. */
const RENEW_EVERY_MS = 30_000;
/** What a card that came back by undo is taken to have left: little, so that the agent is asked at once. */
const BACK_MS = 240_000;
/** A lease that ends sooner than this is not worth starting on. */
const LEASE_MARGIN_MS = 5_000;
const EMPTY_POLL_MS = 10_000;
const PROJECTS_POLL_MS = 20_000;
const FIRST_RETRY_MS = 3_000;
const TICK_MS = 1_000;
const PROJECT = "insitu.project";

export type Supply =
  | { at: "loading" }
  | { at: "ready" }
  | { at: "empty" }
  | { at: "unreachable" }
  | { at: "refused"; message: string; hint: string };

export const projects = signal<Project[]>([]);
export const projectName = signal<string | null>(sessionStorage.getItem(PROJECT));
export const project = computed<Project | null>(
  () => projects.value.find(({ name }) => name === projectName.value) ?? projects.value[0] ?? null,
);
export const cards = signal<Card[]>([]);
export const current = computed<Card | null>(() => cards.value[0] ?? null);
export const supply = signal<Supply>({ at: "loading" });
/** Whether synthetic items are judged, or the person's own queues worked on. */
export const judging = signal(false);
/** Whether the lease of the card on the table has ended. */
export const leaseEnded = signal(false);

let api: Api | null = null;
let skewMs = 0;
let asking = false;
let pollAt = 0;
let projectsAt = 0;
let renewAt = 0;
let seenActiveMs = 0;
/** Items decided while a request for cards was under way: its answer may still name them. */
let decidedMeanwhile = new Set<string>();

export function open(client: Api): void {
  api = client;
  projectsAt = 0;
  pollAt = 0;
  void tick();
}

export function forget(): void {
  api = null;
  batch(() => {
    projects.value = [];
    cards.value = [];
    supply.value = { at: "loading" };
    leaseEnded.value = false;
    judging.value = false;
  });
}

export function chooseProject(name: string): void {
  if (name === project.value?.name) return;
  sessionStorage.setItem(PROJECT, name);
  batch(() => {
    projectName.value = name;
    judging.value = false;
    clear();
  });
  void refill();
}

/** Goes to the queue of synthetic items, or back. */
export function judge(on: boolean): void {
  if (on === judging.value) return;
  batch(() => {
    judging.value = on;
    clear();
  });
  void refill();
}

function clear(): void {
  cards.value = [];
  leaseEnded.value = false;
  supply.value = { at: "loading" };
}

/** Takes the card off the table: the next one is there at once. */
export function advance(): void {
  const [card, ...rest] = cards.value;
  if (card === undefined) return;
  decidedMeanwhile.add(card.item);
  cards.value = rest;
  if (rest.length <= CARDS_LOW) afterPaint(() => void refill());
}

/** Puts a card back on the table, on top. */
export function putBack(card: Card): void {
  decidedMeanwhile.delete(card.item);
  const others = cards.value.filter(({ item }) => item !== card.item);
  const lease_until = new Date(Date.now() + skewMs + BACK_MS).toISOString();
  cards.value = [{ ...card, lease_until }, ...others];
  leaseEnded.value = false;
}

/** Puts a freshly leased card on the table, on top. */
export function place(card: Card): void {
  decidedMeanwhile.delete(card.item);
  batch(() => {
    cards.value = [card, ...cards.value.filter(({ item }) => item !== card.item)];
    supply.value = { at: "ready" };
    leaseEnded.value = false;
  });
}

/** Takes a card away wherever it lies: it is no longer this person's. */
export function drop(item: string): void {
  cards.value = cards.value.filter((card) => card.item !== item);
  void refill();
}

/** Gives up cards whose lease ended and asks for fresh ones. */
export function renew(): void {
  batch(() => {
    cards.value = cards.value.filter((card) => !hasEnded(card));
    leaseEnded.value = false;
  });
  void refill();
}

async function refill(): Promise<void> {
  const client = api;
  const name = project.value?.name;
  const synthetic = judging.value;
  const moved = () => name !== project.value?.name || synthetic !== judging.value;
  // Nobody's items are kept from others while their reader looks at something else.
  if (client === null || name === undefined || asking || view.value !== "review") return;
  asking = true;
  decidedMeanwhile = new Set();
  if (cards.value.length === 0 && supply.value.at !== "empty") supply.value = { at: "loading" };
  const waiting = new Set(unconfirmed.value.map(({ operation }) => operation.item));
  try {
    const leased = await client.next(name, CARDS_AHEAD, synthetic ? SYNTHETIC : null);
    if (client !== api || moved()) return;
    skewMs = leased.skewMs;
    accept(leased.cards, waiting);
    reached();
  } catch (error) {
    if (client === api) failed(error);
  } finally {
    asking = false;
    pollAt = performance.now() + EMPTY_POLL_MS;
    if (moved()) void refill();
  }
}

/** Cards this person still holds come again, with a longer lease; those decided here must not. */
function accept(leased: Card[], waiting: Set<string>): void {
  const byItem = new Map(leased.map((card) => [card.item, card]));
  const kept = cards.value
    .map((card) => byItem.get(card.item) ?? card)
    .filter((card, index) => index === 0 || !hasEnded(card));
  const held = new Set(kept.map(({ item }) => item));
  const fresh = leased.filter(
    ({ item }) => !held.has(item) && !waiting.has(item) && !decidedMeanwhile.has(item),
  );
  batch(() => {
    cards.value = [...kept, ...fresh];
    supply.value = { at: cards.value.length === 0 ? "empty" : "ready" };
    leaseEnded.value = current.value !== null && hasEnded(current.value);
  });
}

function failed(error: unknown): void {
  if (!(error instanceof Refused)) {
    link.value = "lost";
    supply.value = { at: "unreachable" };
  } else if (error.status === 401) {
    expire();
  } else if (error.transient) {
    supply.value = { at: "unreachable" };
  } else {
    supply.value = { at: "refused", message: error.message, hint: error.hint };
  }
}

async function refreshProjects(): Promise<void> {
  const client = api;
  if (client === null) return;
  projectsAt = performance.now() + PROJECTS_POLL_MS;
  try {
    const fresh = await client.projects();
    if (client !== api) return;
    reached();
    const first = projects.value.length === 0;
    // Decisions on their way are done for the person who made them.
    projects.value = fresh.map((entry) => ({ ...entry, done: entry.done + onTheWay(entry.name) }));
    if (fresh.length === 0) supply.value = { at: "empty" };
    else if (first) await refill();
  } catch (error) {
    if (projects.value.length === 0) projectsAt = performance.now() + FIRST_RETRY_MS;
    if (client === api) failed(error);
  }
}

function onTheWay(name: string): number {
  return unconfirmed.value.reduce((sum, { operation }) => {
    if (operation.project !== name) return sum;
    if (operation.kind === "undo") return operation.queue === SYNTHETIC ? sum : sum - 1;
    return counts(operation.annotation.decision, operation.queue) ? sum + 1 : sum;
  }, 0);
}

/** Whether a decision takes the item off the list of what is to be done. */
export function counts(decision: string, queue: string | undefined): boolean {
  if (queue === SYNTHETIC) return false;
  return decision === "accept" || decision === "correct";
}

/** Shows a decision in the project's progress before the agent's next figures do. */
export function addDone(change: number): void {
  const shown = project.value;
  projects.value = projects.value.map((entry) =>
    entry === shown ? { ...entry, done: entry.done + change } : entry,
  );
}

function hasEnded(card: Card): boolean {
  return leftMs(card) < LEASE_MARGIN_MS;
}

function leftMs({ lease_until }: Card): number {
  return Date.parse(lease_until) - (Date.now() + skewMs);
}

/** Keeps what is held while its holder works; the agent says for how long at most. */
async function renewLeases(client: Api): Promise<void> {
  const now = performance.now();
  const active = activeMs();
  if (now < renewAt || active === seenActiveMs) return;
  renewAt = now + RENEW_EVERY_MS;
  seenActiveMs = active;
  const held = cards.value.slice(0, LEASES_MAX).map(({ item }) => item);
  try {
    const untils = await client.renew(held);
    if (client !== api) return;
    const until = new Map(held.map((item, index) => [item, untils[index]]));
    cards.value = cards.value.map((card) => ({ ...card, lease_until: until.get(card.item) ?? card.lease_until }));
  } catch (error) {
    if (client === api && error instanceof Refused && error.status === 401) expire();
    // Else the lease goes on as long as it did before.
  }
}

async function tick(): Promise<void> {
  if (api === null || document.hidden) return;
  if (current.value !== null && leftMs(current.value) < LEASE_RENEW_MS && !leaseEnded.value) await renewLeases(api);
  if (current.value !== null && hasEnded(current.value)) leaseEnded.value = true;
  if (isAway()) return;
  if (performance.now() >= projectsAt) await refreshProjects();
  const short = cards.value.length <= CARDS_LOW && projects.value.length > 0;
  if (short && performance.now() >= pollAt) await refill();
}

effect(() => {
  if (view.value !== "review") return;
  pollAt = 0;
  void tick();
});
setInterval(() => void tick(), TICK_MS);
