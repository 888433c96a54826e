// Requests to the agent that served this page. Nothing else is ever asked for anything.

import type { Annotation, Card, Me, Project } from "./contract";

const TIMEOUT_MS = 10_000;
/** Images and series are larger than everything else. */
const BYTES_TIMEOUT_MS = 60_000;

/** The agent answered, and said no. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }

  /** Whether the same request may succeed later: the agent is overloaded or restarting. */
  get transient(): boolean {
    return this.status >= 500 || this.status === 408 || this.status === 429;
  }
}

/** No answer: the network or the agent is away. */
export class Unreachable extends Error {}

export interface Leased {
  cards: Card[];
  /** The agent's clock minus this machine's, in milliseconds: leases end by the agent's clock. */
  skewMs: number;
}

export class Api {
  /** What pages of the browser's sign-in show: the agent refuses those of another person's. */
  private page = "";

  /** Without a token the browser's cookie says who asks. */
  constructor(private readonly token: string | null) {}

  async me(): Promise<Me> {
    const me = await (await this.request("GET", "/api/session")).json();
    this.page = me.page ?? "";
    return me;
  }

  async signOut(): Promise<void> {
    if (this.token === null) await this.request("POST", "/api/sign-out");
  }

  async projects(): Promise<Project[]> {
    return (await this.request("GET", "/api/projects")).json();
  }

  /** From the best queue for the person, or from the one that is named. */
  async next(project: string, count: number, queue: string | null): Promise<Leased> {
    const from = queue === null ? "" : `&queue=${queue}`;
    const path = `/api/projects/${encodeURIComponent(project)}/next?count=${count}${from}`;
    const response = await this.request("GET", path);
    const date = Date.parse(response.headers.get("date") ?? "");
    return {
      cards: await response.json(),
      skewMs: Number.isNaN(date) ? 0 : date - Date.now(),
    };
  }

  /** What stands behind a field's url, which has to be this agent's. */
  async bytes(url: string): Promise<Response> {
    if (!/^\/api\/[^\\]*$/.test(url)) throw new Refused(0, "the address is not this agent's", "");
    return this.request("GET", url, undefined, BYTES_TIMEOUT_MS);
  }

  async annotate(item: string, annotation: Annotation): Promise<void> {
    await this.request("POST", `/api/items/${encodeURIComponent(item)}/annotations`, annotation);
  }

  /** Until when each of the items is this person's now; null for what is not. */
  async renew(items: string[]): Promise<(string | null)[]> {
    return (await this.request("POST", "/api/leases", { items })).json();
  }

  async undo(key: string): Promise<void> {
    await this.request("DELETE", `/api/annotations/${encodeURIComponent(key)}`);
  }

  /** Any request, in the person's name. */
  async request(
    method: string,
    path: string,
    body?: unknown,
    timeoutMs = TIMEOUT_MS,
  ): Promise<Response> {
    const { token, page } = this;
    const headers: Record<string, string> =
      token === null ? (page === "" ? {} : { "x-insitu-page": page }) : { authorization: `Bearer ${token}` };
    if (body !== undefined) headers["content-type"] = "application/json";
    let response: Response;
    try {
      response = await fetch(path, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        cache: "no-store",
        credentials: token === null ? "same-origin" : "omit",
        redirect: "error",
        signal: AbortSignal.timeout(timeoutMs),
      });
    } catch (cause) {
      throw new Unreachable("the agent does not answer", { cause });
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }
}

async function refusal(response: Response): Promise<Refused> {
  let message = `the agent answered ${response.status}`;
  let hint = "";
  try {
    const body: { error?: unknown; hint?: unknown } = await response.json();
    if (typeof body.error === "string") message = body.error;
    if (typeof body.hint === "string") hint = body.hint;
  } catch {
    // Not JSON: something between the page and the agent answered. The status says enough.
  }
  return new Refused(response.status, message, hint);
}
