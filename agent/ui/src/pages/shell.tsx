// What the small pages beside the review page share: who looks at them, and the bar at the top.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { Api, Refused } from "../api";
import type { Me } from "../contract";
import { Mark } from "../views/mark";

const TOKEN = "insitu.token";
const RETRY_MS = 3_000;

export type Visit = { at: "checking"; unreachable: boolean } | { at: "in"; me: Me; api: Api };

export const visit = signal<Visit>({ at: "checking", unreachable: false });
/** The last thing that happened, for the live region. */
export const said = signal("");
/** What went wrong last. */
export const problem = signal("");

/** Finds out who looks at the page: by the tab's token, or by the browser's cookie. */
export async function enter(): Promise<void> {
  const api = new Api(sessionStorage.getItem(TOKEN));
  try {
    visit.value = { at: "in", me: await api.me(), api };
  } catch (error) {
    if (error instanceof Refused && !error.transient) return location.replace("sign-in.html");
    visit.value = { at: "checking", unreachable: true };
    setTimeout(() => void enter(), RETRY_MS);
  }
}

/** Asks the agent; what went wrong is said on the page, and null is returned. */
export async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const now = visit.value;
  if (now.at !== "in") return null;
  problem.value = "";
  try {
    return await (await now.api.request(method, path, body)).json();
  } catch (error) {
    if (error instanceof Refused && error.status === 401) location.replace("sign-in.html");
    problem.value = inWords(error);
    return null;
  }
}

export function say(text: string): void {
  // The same words twice in a row must be spoken twice.
  said.value = said.value === text ? `${text}\u00a0` : text;
}

function inWords(error: unknown): string {
  if (!(error instanceof Refused)) return "The agent does not answer. Try again.";
  const text = error.message.charAt(0).toUpperCase() + error.message.slice(1);
  return error.hint === "" ? `${text}.` : `${text}: ${error.hint}.`;
}

interface Props {
  title: string;
  links: ComponentChildren;
  /** Who may not use the page is told so. */
  allowed: (me: Me) => boolean;
  refusal: string;
  children: ComponentChildren;
}

export function Shell({ title, links, allowed, refusal, children }: Props) {
  const now = visit.value;
  return (
    <>
      <header class="top">
        <div class="who">
          <Mark />
          <div>
            <h1>{title}</h1>
            <p class="queue">{now.at === "in" ? `${now.me.site} · ${now.me.name}, ${now.me.role}` : "Insitu"}</p>
          </div>
        </div>
        <nav aria-label="Page">
          {links}
          <a class="link" href="sign-in.html">
            Account
          </a>
        </nav>
      </header>
      <main class="page">
        {now.at === "checking" && (
          <p class="state" role="status">
            {now.unreachable ? "The agent does not answer. Trying again every few seconds." : "One moment…"}
          </p>
        )}
        {now.at === "in" && !allowed(now.me) && (
          <p class="state" role="alert">
            {refusal}
          </p>
        )}
        {now.at === "in" && allowed(now.me) && children}
      </main>
      <p class="unseen" role="status" aria-live="polite">
        {said}
      </p>
    </>
  );
}
