// A small agent for tests: the local API of the contract over items made up here, with its faults on a switch.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const DIST = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "dist");
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};
export const CSP =
  "default-src 'self'; img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; " +
  "require-trusted-types-for 'script'; trusted-types 'none'";
const LEASE_MS = 600_000;

export const CLASSES = [
  { name: "No disease", description: "No vessel narrowed by more than half." },
  { name: "Disease", description: "At least one vessel narrowed by more than half." },
];

export class FakeAgent {
  people = new Map([
    ["ann-token", { name: "ann", role: "annotator", site: "cleveland" }],
    ["eve-token", { name: "eve", role: "expert", site: "cleveland" }],
    ["lea-token", { name: "lea", role: "lead", site: "cleveland" }],
    ["sam-token", { name: "sam", role: "steward", site: "cleveland", reveals: true }],
    ["ida-token", { name: "ida", role: "admin", site: "cleveland" }],
  ]);
  /** By name: passwords, and who is signed in by which cookie. */
  passwords = new Map();
  browsers = new Map();
  /** The Label Studios that are connected, and what a check of any says. */
  studios = { projects: [], settings: [] };
  standing = { findings: [], tasks: 0, waiting: 0, faults: [] };
  admitted = 0;
  /** The identity provider that is offered. */
  provider = null;
  classes = CLASSES;
  /** Absent: a label is one class. */
  task = undefined;
  title = "Heart disease";
  /** What stands behind `/api/items/ITEM/fields/NAME`, by NAME: `{type, body}`. */
  files = new Map();
  /** Paths of the files that were asked for, in order. */
  fetched = [];
  items = [];
  /** Item -> its annotation as stored. */
  annotations = new Map();
  /** Every annotation request that arrived, in order: `{key, item, decision, class, …}`. */
  arrived = [];
  undone = [];
  /** Answers by idempotency key. */
  answered = new Map();
  /** Item -> person. */
  leases = new Map();
  /** `up`, `away` (connections break), `mute` (does the work, loses the answer). */
  mode = "up";
  leaseMs = LEASE_MS;
  /** What each renewal of leases named; without `renewMs` the agent knows none. */
  renewed = [];
  renewMs;
  /** Where the page's files are. */
  dist = DIST;
  /** What it says about quality: `{report, errors, next}`. */
  quality = null;
  /** Items that a lead sent to the experts. */
  requeued = [];
  queues = { annotator: 0, expert: 2, campaign: 0, synthetic: 0 };
  /** What stewards have erased. */
  erased = [];
  /** Queues that wait for somebody who is not there. */
  vacancies = [];
  /** Whoever is known at the site, for administrators: all of `people`, and who was added since. */
  listed = [...this.people.values()].map(({ name, role }) => makePerson(name, role));
  /** What administrators changed, in order. */
  managed = [];
  /** What was asked to be revealed, in order: `{item, person, reason}`. */
  revealed = [];
  /** Holds the answers to that back until it is resolved. */
  revealing = Promise.resolve();
  /** Items of the queue of synthetic items. */
  mixed = [];

  constructor(items = makeItems(30)) {
    this.items = items;
  }

  async start() {
    this.server = createServer((request, response) => {
      this.handle(request, response).catch((error) => {
        console.error(error);
        response.destroy();
      });
    });
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.address = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  async handle(request, response) {
    const url = new URL(request.url, this.address);
    response.setHeader("content-security-policy", CSP);
    response.setHeader("x-content-type-options", "nosniff");
    if (!url.pathname.startsWith("/api/")) return serveFile(this.dist, url.pathname, response);
    if (this.mode === "away") return request.socket.destroy();
    let body = "";
    for await (const chunk of request) body += chunk;
    const account = this.account(request, url, body, response);
    if (account !== null) return;
    const person = this.caller(request);
    if (url.pathname.endsWith("/reveal")) await this.revealing;
    const [status, answer] = person
      ? this.answer(request.method, url, person, body === "" ? null : JSON.parse(body))
      : [401, { error: "unknown token", hint: "ask your steward for one" }];
    const file = person && this.file(url);
    if (file) {
      response.writeHead(200, { "content-type": file.type });
      return response.end(file.body);
    }
    if (this.mode === "mute" && request.method !== "GET") return request.socket.destroy();
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(answer));
  }

  /** By token, or by cookie with what pages of that sign-in show. */
  caller({ headers, method }) {
    if (headers.authorization !== undefined) return this.people.get(headers.authorization.replace("Bearer ", ""));
    const browser = this.browsers.get(cookieOf(headers));
    const page = headers["x-insitu-page"];
    if (browser === undefined || (page === undefined ? method !== "GET" : page !== browser.page)) return undefined;
    return browser.person;
  }

  /** What signing in and out is answered with; null for everything else. */
  account(request, url, body, response) {
    const reply = (status, answer, cookie) => {
      if (cookie !== undefined) response.setHeader("set-cookie", `insitu_session=${cookie}; Path=/; HttpOnly; SameSite=Strict`);
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(answer));
      return true;
    };
    const report = (cookie) => {
      const { person, page } = this.browsers.get(cookie);
      return { ...person, page, password: true };
    };
    const admit = (person) => {
      this.admitted += 1;
      const cookie = `cookie-${this.admitted}`;
      this.browsers.set(cookie, { person, page: `page-of-${cookie}` });
      return reply(200, report(cookie), cookie);
    };
    const person = this.caller(request);
    switch (`${request.method} ${url.pathname}`) {
      case "GET /api/ways":
        return reply(200, { provider: this.provider });
      case "GET /api/session":
        if (!person) return reply(401, { error: "nobody is signed in", hint: "" });
        return reply(200, request.headers.authorization ? person : report(cookieOf(request.headers)));
      case "POST /api/sign-in": {
        const { name, password } = JSON.parse(body);
        if (this.passwords.get(name) !== password) return reply(401, { error: "the name or the password is wrong", hint: "" });
        return admit([...this.people.values()].find((known) => known.name === name));
      }
      case "POST /api/password": {
        const { current, new: next } = JSON.parse(body);
        if (!person || this.passwords.get(person.name) !== current) return reply(403, { error: "the current password is wrong", hint: "" });
        this.passwords.set(person.name, next);
        for (const [cookie, browser] of this.browsers) if (browser.person.name === person.name) this.browsers.delete(cookie);
        return admit(person);
      }
      case "POST /api/sign-out":
        if (!person) return reply(401, { error: "nobody is signed in", hint: "" });
        this.browsers.delete(cookieOf(request.headers));
        return reply(204, {}, "");
      default:
        return null;
    }
  }

  answer(method, url, person, body) {
    const parts = url.pathname.split("/").slice(2).map(decodeURIComponent);
    if (method === "GET" && parts[0] === "me") return [200, person];
    if (method === "GET" && parts[0] === "projects" && parts.length === 1) return [200, [this.project()]];
    if (method === "GET" && parts[2] === "next") return [200, this.next(person, url)];
    if (parts[0] === "label-studio") return this.studio(person, parts[1]);
    if (parts[0] === "erasures") return this.erase(person, parts[1] === "preview", body);
    if (parts[0] === "vacancies") return person.role === "admin" ? [200, this.vacancies] : [403, { error: "no", hint: "ask an administrator" }];
    if (parts[0] === "people") return this.manage(method, person, parts[1], parts[2], body);
    if (method === "GET" && parts[2] === "quality") return this.judge(person, parts[3]);
    if (method === "POST" && parts[0] === "leases" && this.renewMs !== undefined) {
      this.renewed.push(body.items);
      return [200, body.items.map((item) => (this.leases.get(item) === person.name ? new Date(Date.now() + this.renewMs).toISOString() : null))];
    }
    if (method === "POST" && parts[2] === "lease") return this.lease(person, parts[1]);
    if (method === "POST" && parts[2] === "requeue") {
      this.requeued.push(parts[1]);
      this.answered.set(`requeue-${parts[1]}`, parts[1]);
      return [200, { queue: "expert", key: `requeue-${parts[1]}` }];
    }
    if (parts[0] === "items" && (parts.length === 2 || parts[2] === "reveal")) {
      return this.reveal(method, person, parts[1], body);
    }
    if (method === "POST" && parts[2] === "annotations") return this.annotate(person, parts[1], body);
    if (method === "DELETE" && parts[0] === "annotations") return this.undo(person, parts[1]);
    return [404, { error: "no such path", hint: "" }];
  }

  file({ pathname }) {
    const [, item, name] = /^\/api\/items\/([^/]+)\/fields\/([^/]+)$/.exec(pathname) ?? [];
    if (item !== undefined) this.fetched.push(pathname);
    return this.files.get(name);
  }

  project() {
    const done = this.annotations.size;
    return {
      name: "heart-disease",
      title: this.title,
      version: 3,
      instructions: "Judge from the values and the note whether angiography showed disease.\nMissing values are missing in the source.",
      classes: this.classes,
      ...(this.task === undefined ? {} : { task: this.task }),
      queues: { ...this.queues, annotator: this.items.length - done },
      synthetic: this.mixed.length,
      done,
      total: this.items.length,
      bundle: "b3f09c21",
      engine: "tract 0.23",
    };
  }

  next(person, url) {
    const count = Number(url.searchParams.get("count"));
    const items = url.searchParams.get("queue") === "synthetic" ? this.mixed : this.items;
    const free = items.filter(
      ({ item }) =>
        !this.annotations.has(item) && (this.leases.get(item) ?? person.name) === person.name,
    );
    return free.slice(0, count).map((item) => {
      this.leases.set(item.item, person.name);
      return { ...item, lease_until: new Date(Date.now() + this.leaseMs).toISOString() };
    });
  }

  judge(person, list) {
    if (person.role !== "lead" && (person.role !== "steward" || list !== undefined)) {
      return [403, { error: `this page is not for the role ${person.role}`, hint: "ask a lead" }];
    }
    return [200, { undefined: this.quality.report, "label-errors": this.quality.errors, next: this.quality.next }[list]];
  }

  /** What is connected, and what a check of it says. */
  studio(person, project) {
    if (!["steward", "admin"].includes(person.role)) {
      return [403, { error: `connecting a Label Studio is not for the role ${person.role}`, hint: "ask the steward or an administrator" }];
    }
    if (project === undefined) return [200, this.studios];
    return [200, this.standing];
  }

  /** What would go of subject p-17, and what went. */
  erase(person, preview, body) {
    if (person.role !== "steward") return [403, { error: `a ${person.role} erases nothing: that is for a steward`, hint: "ask the site's steward" }];
    const found = body.subject === "p-17" && !this.erased.some(({ subject }) => subject === "p-17");
    const erased = {
      items: found ? 3 : 0, before: !found, scrubbed: !preview, originals: found ? 2 : 0, heads: 0, waiting: found ? 1 : 0,
      rows: found ? { annotations: 4, media: 1, items: 3, gold: 0 } : {},
      snapshots: found ? [{ snapshot: "ab".repeat(32), folder: "/exports/labels-2026-11" }] : [],
      exports: found ? ["/exports/labels-2026-12.partial"] : [],
      label_studio_tasks: found ? [12, 15] : [],
    };
    if (!preview) this.erased.push(body);
    return [200, erased];
  }

  manage(method, person, name, what, body) {
    if (person.role !== "admin") return [403, { error: `managing people is not for the role ${person.role}`, hint: "ask an administrator" }];
    if (method === "GET") return [200, this.listed];
    this.managed.push([method, ...[name, what].filter((part) => part !== undefined), body]);
    if (method === "POST" && name === undefined) {
      if (this.listed.some((known) => known.name === body.name)) {
        return [409, { error: `there is a person named "${body.name}" already`, hint: "choose another name" }];
      }
      const until = body.until === undefined ? null : new Date(Date.parse(body.until) + 86_400_000).toISOString();
      this.listed.push({ ...makePerson(body.name, body.role), password: true, until });
      return [201, { added: body.name }];
    }
    if (name === person.name) return [409, { error: "this is yourself", hint: "ask another administrator" }];
    const known = this.listed.find((one) => one.name === name);
    if (what === "role") known.role = body.role;
    if (what === "password") known.password = true;
    if (what !== undefined) known.browsers = 0;
    else Object.assign(known, { ended: true, password: false, until: "2026-11-22T10:00:00Z", browsers: 0 });
    return [200, { name }];
  }

  /** In each note, `[NAME]` stands for a surrogate. */
  reveal(method, person, item, body) {
    if (!person.reveals) return [403, { error: `a ${person.role} may not see originals`, hint: "ask the site's steward" }];
    const found = this.items[this.index(item)];
    if (found === undefined) return [404, { error: "there is no such item", hint: "ask for items again" }];
    const fields = found.fields.map((field) => ({ ...field, name: field.title }));
    if (method === "GET") return [200, { item, project: "heart-disease", title: this.title, fields }];
    this.revealed.push({ item, person: person.name, reason: body.reason });
    if (this.revealed.length > 5) return [429, { error: "too many attempts: the next one may be made in 30 s", hint: "wait, then try again" }];
    const { name, value } = fields.at(-1);
    const [before, after] = value.split("[NAME]");
    const pieces = [{ text: before }, { text: "[NAME]", kind: "NAME", originals: ["Jane Roe"] }, { text: after }];
    return [200, { fields: [{ name, pieces }], elsewhere: [], found: 1 }];
  }

  lease(person, item) {
    if ((this.leases.get(item) ?? person.name) !== person.name) {
      return [409, { error: `the item is leased to ${this.leases.get(item)} for another 90 s`, hint: "" }];
    }
    this.leases.set(item, person.name);
    const lease_until = new Date(Date.now() + this.leaseMs).toISOString();
    return [200, { ...this.items[this.index(item)], queue: "expert", why: "opened by you", lease_until }];
  }

  annotate(person, item, body) {
    this.arrived.push({ item, person: person.name, ...body });
    const before = this.answered.get(body.key);
    if (before) return [200, { stored: true, replay: true }];
    if (this.leases.get(item) !== person.name || this.annotations.has(item)) {
      return [409, { error: "the item is not leased to you", hint: "another person has it; fetch the next one" }];
    }
    this.answered.set(body.key, item);
    if (body.decision === "skip") this.items.push(...this.items.splice(this.index(item), 1));
    else this.annotations.set(item, { ...body, person: person.name });
    if (body.decision === "skip") this.leases.delete(item);
    return [200, { stored: true, replay: false }];
  }

  undo(person, key) {
    this.undone.push(key);
    const item = this.answered.get(key);
    if (item === undefined) return [404, { error: "no such annotation", hint: "" }];
    this.answered.delete(key);
    this.annotations.delete(item);
    this.leases.set(item, person.name);
    return [200, { undone: true }];
  }

  index(item) {
    return this.items.findIndex((entry) => entry.item === item);
  }
}

export function makePerson(name, role) {
  return { name, role, password: false, until: null, expert_until: null, ended: false, browsers: 0 };
}

export function makeItems(count, change = () => ({})) {
  return Array.from({ length: count }, (_, index) => {
    const confidence = 0.55 + ((index * 37) % 40) / 100;
    return {
      item: (index + 1).toString(16).padStart(32, "0"),
      queue: "annotator",
      fields: [
        { title: "Age", value: 40 + ((index * 7) % 35), unit: "years", kind: "number" },
        { title: "Sex", value: index % 3 === 0 ? "female" : "male", unit: "", kind: "category" },
        { title: "Chest pain", value: "asymptomatic", unit: "", kind: "category" },
        { title: "Resting blood pressure", value: 120 + index, unit: "mmHg", kind: "number" },
        { title: "Cholesterol", value: index % 2 === 0 ? null : 243, unit: "mg/dl", kind: "number" },
        { title: "Highest heart rate", value: 147, unit: "per minute", kind: "number" },
        { title: "ST depression", value: 1.8, unit: "mm", kind: "number" },
        { title: "Vessels coloured", value: null, unit: "", kind: "number" },
        {
          title: "Note (synthetic)",
          value: `Patient [NAME], record [MEDICAL_RECORD], seen on [DATE] for item ${index + 1}. Reports tightness on exertion, relieved by rest. Call back on [PHONE] or [EMAIL].`,
          unit: "",
          kind: "text",
        },
      ],
      prelabel: { class: index % 2, confidence },
      blind: false,
      why: `confidence ${confidence.toFixed(2)}`,
      bundle: "b3f09c21",
      campaign: null,
      ...change(index),
    };
  });
}

function cookieOf({ cookie = "" }) {
  return /insitu_session=([^;]*)/.exec(cookie)?.[1];
}

async function serveFile(dist, pathname, response) {
  const name = pathname === "/" ? "index.html" : pathname.slice(1);
  try {
    const content = await readFile(path.join(dist, path.basename(name)));
    response.writeHead(200, { "content-type": TYPES[path.extname(name)] ?? "text/plain" });
    response.end(content);
  } catch {
    response.writeHead(404).end();
  }
}

// `node test/fake-agent.mjs [KIND]` serves the page to look at, with the token `ann-token` (or `eve-token`).
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { prepareKind } = await import("./kinds-data.mjs");
  const agent = new FakeAgent(makeItems(200));
  if (process.argv[2] !== undefined) prepareKind(agent, process.argv[2]);
  await agent.start();
  console.log(`${agent.address} with the token ann-token`);
}
