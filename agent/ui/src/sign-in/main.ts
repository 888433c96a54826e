// The sign-in page: name and password, or the site's identity provider; and one's own password.
// It shares no code with the review page, whose script stays small, and keeps nothing: the cookie that
// it is answered with is out of every script's reach.

interface Session {
  name: string;
  role: string;
  /** Null when a token, not the browser's cookie, says who asks. */
  page: string | null;
  password: boolean;
}

interface Answer {
  status: number;
  body: { error?: unknown; hint?: unknown } & Partial<Session>;
}

const AWAY = "The agent does not answer. Try again.";
/** Opened by the review page, which waits in another tab; also after a way over the provider. */
const AGAIN = "insitu.again";
if (location.hash === "#again") sessionStorage.setItem(AGAIN, "yes");
const again = sessionStorage.getItem(AGAIN) !== null;

let session: Session | null = null;

const enter = at<HTMLFormElement>("enter");
const change = at<HTMLFormElement>("change");

enter.addEventListener("submit", (event) => {
  event.preventDefault();
  void busy(enter, async () => {
    const [name, password] = [at<HTMLInputElement>("name"), at<HTMLInputElement>("password")];
    const answer = await ask("POST", "/api/sign-in", { name: name.value, password: password.value });
    if (answer?.status === 200) return entered(answer.body as Session);
    password.value = "";
    password.focus();
    problem("enter", answer);
  });
});

change.addEventListener("submit", (event) => {
  event.preventDefault();
  void busy(change, async () => {
    const [current, next] = [at<HTMLInputElement>("current"), at<HTMLInputElement>("new")];
    const answer = await ask("POST", "/api/password", { current: current.value, new: next.value });
    if (answer?.status !== 200) return problem("change", answer);
    change.reset();
    at<HTMLDetailsElement>("changing").open = false;
    show(answer.body as Session, "The password is changed; your other browsers are signed out.");
    tell();
  });
});

at("leave").addEventListener("click", async () => {
  const answer = await ask("POST", "/api/sign-out");
  if (answer === null || (answer.status !== 204 && answer.status !== 401)) return say(AWAY);
  show(null, "You are signed out.");
});

void begin();

async function begin(): Promise<void> {
  const answer = await ask("GET", "/api/session");
  const refused = new URLSearchParams(location.search).get("refused");
  if (answer?.status === 200) {
    if (again || location.hash === "#entered") return entered(answer.body as Session);
    return show(answer.body as Session);
  }
  show(null, answer === null ? AWAY : (REFUSALS[refused ?? ""] ?? ""));
  const ways = await ask("GET", "/api/ways");
  const provider = (ways?.body as { provider?: unknown } | undefined)?.provider;
  if (typeof provider !== "string") return;
  at("provider-name").textContent = provider;
  at("provider").hidden = false;
}

/** Why the identity provider did not bring somebody in; the agent names one of these. */
const REFUSALS: Record<string, string> = {
  away: "The identity provider does not answer. Who has a password here signs in with that.",
  role: "The identity provider knows you, but gives you no role at this site. Ask the administrator.",
  name: "Somebody else here has your name. Ask the administrator.",
  ended: "Your time at this site is over. Ask the administrator.",
  busy: "Too many attempts. Wait a minute, then try again.",
  again: "That took too long, or was begun elsewhere. Try once more.",
  denied: "The identity provider did not sign you in.",
};

function entered(now: Session): void {
  session = now;
  tell();
  sessionStorage.removeItem(AGAIN);
  if (again) {
    show(now, "You are signed in. Go on in the other tab; this one can be closed.");
    window.close();
  } else if (now.role === "admin") show(now);
  else location.replace("/");
}

/** Tells the pages that wait for somebody to sign in. */
function tell(): void {
  new BroadcastChannel("insitu").postMessage("signed in");
}

function show(now: Session | null, text = ""): void {
  session = now;
  at("out").hidden = now !== null;
  at("in").hidden = now === null;
  at("title").textContent = now === null ? "Sign in" : `${now.name}, ${now.role}`;
  say(text || "Items stay on this site’s own machines.");
  problem("enter");
  problem("change");
  if (now === null) return at("name").focus();
  at<HTMLInputElement>("whose").value = now.name;
  at("changing").hidden = !now.password;
  at("on").hidden = now.role === "admin";
  at("manage").hidden = now.role !== "admin";
}

async function ask(method: string, path: string, body?: unknown): Promise<Answer | null> {
  const headers: Record<string, string> = {};
  if (session?.page) headers["x-insitu-page"] = session.page;
  if (body !== undefined) headers["content-type"] = "application/json";
  try {
    const response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error",
      signal: AbortSignal.timeout(20_000),
    });
    return { status: response.status, body: await response.json().catch(() => ({})) };
  } catch {
    return null;
  }
}

async function busy(form: HTMLFormElement, work: () => Promise<void>): Promise<void> {
  const button = form.querySelector("button")!;
  if (button.disabled) return;
  button.disabled = true;
  problem(form.id as "enter" | "change");
  await work();
  button.disabled = false;
}

function problem(form: "enter" | "change", answer?: Answer | null): void {
  const body = answer?.body;
  const text = typeof body?.error === "string" ? `${capitalised(body.error)}.` : AWAY;
  at(`${form}-problem`).textContent = answer === undefined ? "" : text;
}

function say(text: string): void {
  at("intro").textContent = text;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function at<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}
