// Who is signed in: by the browser's cookie, which no script reads, or by a token in sessionStorage,
// which ends with the tab.

import { signal } from "@preact/signals";
import { Api, Refused } from "./api";
import type { Me } from "./contract";
import * as unconfirmed from "./unconfirmed";

const TOKEN = "insitu.token";
const PERSON = "insitu.person";
const RETRY_MS = 3_000;

export type State =
  | { at: "signed-out"; reason: string }
  | { at: "checking"; unreachable: boolean }
  | { at: "signed-in"; me: Me; api: Api }
  /** The agent no longer takes the token; the page keeps everything as it was. */
  | { at: "expired"; me: Me };

export const session = signal<State>({ at: "signed-out", reason: "" });

/** Whoever holds items' content forgets it here when the person changes or signs out. */
export interface Listener {
  opened(api: Api, me: Me): void;
  forget(): void;
  /** The person signed out. */
  left(): void;
  settled: unconfirmed.Settled;
}

let listener: Listener;

/** Resumes the tab's session, or the browser's, if there is one. */
export function start(to: Listener): void {
  listener = to;
  void signIn(sessionStorage.getItem(TOKEN));
  // The sign-in page, in another tab.
  new BroadcastChannel("insitu").onmessage = () => {
    if (session.value.at !== "signed-in") void signIn(null);
  };
}

/** Without a token: as whoever is signed in in this browser. */
export async function signIn(token: string | null): Promise<void> {
  if (token !== null && !/^[\x21-\x7e]+$/.test(token)) {
    refuse("A token is one word of letters, digits and signs. Paste it whole, without spaces.");
    return;
  }
  const api = new Api(token);
  const before = session.value;
  if (before.at !== "expired") session.value = { at: "checking", unreachable: false };
  let me: Me;
  try {
    me = await api.me();
  } catch (error) {
    if (error instanceof Refused && !error.transient) {
      sessionStorage.removeItem(TOKEN);
      if (error.status !== 401) refuse(error.message);
      else refuse(token === null ? "" : "The agent does not know this token.");
      return;
    }
    if (before.at === "expired") {
      refuse("The agent does not answer. Try again.");
      return;
    }
    session.value = { at: "checking", unreachable: true };
    setTimeout(() => {
      if (session.value.at === "checking") void signIn(token);
    }, RETRY_MS);
    return;
  }
  if (token !== null) sessionStorage.setItem(TOKEN, token);
  const name = `${me.site}/${me.name}`;
  // What the tab still holds may be another person's: it outlives a reload and an expired session.
  if (sessionStorage.getItem(PERSON) !== name) listener.forget();
  sessionStorage.setItem(PERSON, name);
  session.value = { at: "signed-in", me, api };
  unconfirmed.open(name, api, listener.settled);
  listener.opened(api, me);
}

/** Why the last sign-in over an expired session failed. */
export const renewalProblem = signal("");

function refuse(reason: string): void {
  if (session.value.at === "expired") renewalProblem.value = reason;
  else session.value = { at: "signed-out", reason };
}

/** The agent answered 401. */
export function expire(): void {
  const state = session.value;
  if (state.at !== "signed-in") return;
  unconfirmed.close();
  sessionStorage.removeItem(TOKEN);
  renewalProblem.value = "";
  session.value = { at: "expired", me: state.me };
}

export function signOut(): void {
  const before = session.value;
  session.value = { at: "signed-out", reason: "" };
  if (before.at === "signed-in") {
    before.api.signOut().catch(() => {
      session.value = { at: "signed-out", reason: "The agent did not hear it: reload, and sign out again." };
    });
  }
  unconfirmed.close();
  sessionStorage.removeItem(TOKEN);
  sessionStorage.removeItem(PERSON);
  listener.left();
  listener.forget();
}

unconfirmed.link.subscribe((link) => {
  if (link === "signed-out") expire();
});
