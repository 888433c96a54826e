// Images and series of the cards at hand, fetched with the person's token before they are looked at.

import { effect, signal, type Signal } from "@preact/signals";
import { Refused, type Api } from "./api";
import type { Card, Reference, SeriesBody } from "./contract";
import { cards } from "./deck";
import { isFrameAwaited } from "./frame";
import { blocksOf, lowHigh, type Bounds } from "./kinds/trace";

/** Requests at a time; the card on the table is always first. */
const LOADS_MAX = 3;
/** What is fetched ahead waits this long: the card that was just put on the table is painted first. */
const AHEAD_MS = 60;
const IDLE_MS_MAX = 1_000;

export interface Channel {
  name: string;
  unit: string;
  /** NaN where the recording has a gap. */
  values: Float32Array;
  blocks: Bounds;
  /** The lowest and the highest value; null where there is none. */
  range: [number, number] | null;
}

export interface Series {
  start: number;
  step: number;
  unit: string;
  /** Samples of the longest channel. */
  count: number;
  channels: Channel[];
}

export type Asset =
  | { at: "loading" }
  | { at: "image"; url: string }
  | { at: "series"; series: Series }
  | { at: "failed"; message: string };

const assets = new Map<string, Signal<Asset>>();
let waiting: { url: string; kind: string }[] = [];
let loading = 0;
let api: Api | null = null;

export function open(client: Api): void {
  api = client;
  start();
}

export function forget(): void {
  api = null;
  waiting = [];
  for (const url of [...assets.keys()]) drop(url);
}

/** What stands behind a field, now or as soon as it is here. */
export function assetOf(reference: Reference, kind: string): Signal<Asset> {
  const known = assets.get(reference.url);
  if (known !== undefined) return known;
  const asset = signal<Asset>({ at: "loading" });
  assets.set(reference.url, asset);
  waiting.push({ url: reference.url, kind });
  if (isOnTable(reference.url)) start();
  else setTimeout(start, AHEAD_MS);
  return asset;
}

export function retry(reference: Reference, kind: string): void {
  const asset = assetOf(reference, kind);
  if (asset.peek().at !== "failed") return;
  asset.value = { at: "loading" };
  waiting.unshift({ url: reference.url, kind });
  start();
}

/** The fields of a card whose value stands behind a url. */
function references({ fields }: Card): { reference: Reference; kind: string }[] {
  return fields.flatMap(({ value, kind }) =>
    typeof value === "object" && value !== null ? [{ reference: value, kind }] : [],
  );
}

function isOnTable(url: string): boolean {
  const card = cards.peek()[0];
  return card !== undefined && references(card).some(({ reference }) => reference.url === url);
}

/** Soon, when nothing else is to be done. */
async function idle(): Promise<void> {
  do {
    await new Promise((resolve) => {
      if ("requestIdleCallback" in window) requestIdleCallback(resolve, { timeout: IDLE_MS_MAX });
      else setTimeout(resolve, AHEAD_MS);
    });
    // A browser is idle between a decision and the frame that shows the next card, too.
  } while (isFrameAwaited());
}

function start(): void {
  while (api !== null && loading < LOADS_MAX && waiting.length > 0) {
    const { url, kind } = waiting.shift()!;
    loading += 1;
    void load(api, url, kind).finally(() => {
      loading -= 1;
      start();
    });
  }
}

async function load(client: Api, url: string, kind: string): Promise<void> {
  let loaded: Asset;
  try {
    const response = await client.bytes(url);
    if (kind === "image") loaded = await imageOf(response);
    else {
      const text = await response.text();
      // Reading a long recording takes a while: not while somebody decides on the item before it.
      if (!isOnTable(url)) await idle();
      loaded = { at: "series", series: seriesOf(JSON.parse(text)) };
    }
  } catch (error) {
    loaded = { at: "failed", message: error instanceof Refused ? error.message : "it could not be read" };
  }
  const asset = assets.get(url);
  if (asset !== undefined && client === api) asset.value = loaded;
  else if (loaded.at === "image") URL.revokeObjectURL(loaded.url);
}

async function imageOf(response: Response): Promise<Asset> {
  const url = URL.createObjectURL(await response.blob());
  const image = new Image();
  image.src = url;
  // Decoded now, it is painted at once later. What is no image fails here.
  await image.decode();
  return { at: "image", url };
}

function seriesOf({ clock, channels }: SeriesBody): Series {
  const read = channels.map(({ name, unit, values }) => {
    const samples = new Float32Array(values.length);
    for (let at = 0; at < values.length; at += 1) samples[at] = values[at] ?? Number.NaN;
    const blocks = blocksOf(samples);
    return { name, unit, values: samples, blocks, range: lowHigh(blocks, 0, samples.length) };
  });
  const count = Math.max(0, ...read.map(({ values }) => values.length));
  if (!(clock.step > 0) || count === 0) throw new Error("a series without samples");
  return { ...clock, count, channels: read };
}

function drop(url: string): void {
  const asset = assets.get(url)?.peek();
  if (asset?.at === "image") URL.revokeObjectURL(asset.url);
  assets.delete(url);
}

effect(() => {
  const wanted = cards.value.flatMap(references);
  const urls = new Set(wanted.map(({ reference }) => reference.url));
  waiting = waiting.filter(({ url }) => urls.has(url));
  for (const url of [...assets.keys()]) if (!urls.has(url)) drop(url);
  for (const { reference, kind } of wanted) assetOf(reference, kind);
});
