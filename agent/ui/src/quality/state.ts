// What the quality view shows, and what a lead does from its lists.

import { batch, effect, signal } from "@preact/signals";
import { isAway } from "../activity";
import { Refused, type Api } from "../api";
import * as deck from "../deck";
import { announcement } from "../say";
import { expire, session } from "../session";
import { show, view } from "../view";
import type { Card } from "../contract";
import type { LabelErrors, Next, Report } from "./contract";

/** The agent keeps a report for half a minute. */
const REFRESH_MS = 60_000;

export interface Quality {
  report: Report;
  /** Null for who sees figures only. */
  errors: LabelErrors | null;
  next: Next | null;
}

export type Loading =
  | { at: "loading" }
  | { at: "ready" }
  | { at: "failed"; message: string; hint: string };

export const quality = signal<Quality | null>(null);
export const loading = signal<Loading>({ at: "loading" });
/** Items sent to the experts from here, with the key that takes it back, if one does. */
export const sentBack = signal(new Map<string, string | null>());
/** Why an item could not be had, by item. */
export const problems = signal(new Map<string, string>());

function forget(): void {
  batch(() => {
    quality.value = null;
    loading.value = { at: "loading" };
    sentBack.value = new Map();
    problems.value = new Map();
  });
}

async function load(): Promise<void> {
  const state = session.value;
  const project = deck.project.value?.name;
  if (state.at !== "signed-in" || project === undefined) return;
  const { api, me } = state;
  const figures = async <T>(list: string): Promise<T> =>
    (await api.request("GET", `/api/projects/${encodeURIComponent(project)}/quality${list}`)).json();
  try {
    const report = await figures<Report>("");
    const lists = me.role === "lead";
    const [errors, next] = lists
      ? await Promise.all([figures<LabelErrors>("/label-errors"), figures<Next>("/next")])
      : [null, null];
    if (!isCurrent(api, project)) return;
    batch(() => {
      quality.value = { report, errors, next };
      loading.value = { at: "ready" };
    });
  } catch (error) {
    if (isCurrent(api, project)) failed(error);
  }
}

function isCurrent(api: Api, project: string): boolean {
  const state = session.value;
  return state.at === "signed-in" && state.api === api && deck.project.value?.name === project;
}

function failed(error: unknown): void {
  if (error instanceof Refused && error.status === 401) return expire();
  loading.value =
    error instanceof Refused
      ? { at: "failed", message: error.message, hint: error.hint }
      : { at: "failed", message: "the agent does not answer", hint: "It is asked again by itself." };
}

/** Takes an item to the review table. */
export function review(item: string): Promise<void> {
  return act(item, async (api) => {
    const card: Card = await (await api.request("POST", `${pathOf(item)}/lease`)).json();
    deck.place(card);
    show("review");
  });
}

/** Sends an item to the experts; the key takes that back. It is null when the item waited for one already. */
export function sendBack(item: string): Promise<void> {
  return act(item, async (api) => {
    const { key }: { key: string | null } = await (await api.request("POST", `${pathOf(item)}/requeue`)).json();
    sentBack.value = new Map(sentBack.value).set(item, key);
    announcement.value = "Sent to the experts.";
  });
}

export function takeBack(item: string): Promise<void> {
  return act(item, async (api) => {
    const key = sentBack.value.get(item);
    if (key != null) await api.undo(key);
    const rest = new Map(sentBack.value);
    rest.delete(item);
    sentBack.value = rest;
    announcement.value = "Taken back.";
  });
}

function pathOf(item: string): string {
  return `/api/items/${encodeURIComponent(item)}`;
}

async function act(item: string, run: (api: Api) => Promise<void>): Promise<void> {
  const state = session.value;
  if (state.at !== "signed-in") return;
  const rest = new Map(problems.value);
  rest.delete(item);
  problems.value = rest;
  try {
    await run(state.api);
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return expire();
    const why = error instanceof Error ? error.message : "it failed";
    problems.value = new Map(problems.value).set(item, why);
  }
}

// Fresh when the view is opened; the last figures stay while new ones come, unless they are of another
// project or for another person.
let shownFor: string | undefined;
effect(() => {
  const state = session.value;
  const person = "me" in state ? `${state.me.site}/${state.me.name}` : "nobody";
  const wanted = `${person}/${deck.project.value?.name}`;
  if (wanted !== shownFor) forget();
  shownFor = wanted;
  if (view.value === "quality" && state.at === "signed-in") void load();
});
setInterval(() => {
  if (view.value === "quality" && !document.hidden && !isAway()) void load();
}, REFRESH_MS);
