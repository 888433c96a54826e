// The real programs, where they are built: a coordinator that gives out projects, and an agent with files
// of every kind imported. Nothing of it is the page's; it stands where a site's machine stands.

import { execFile, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const HEART = path.join(ROOT, "models", "bundles", "heart-disease");
const FOLDER = process.env.INSITU_BIN ?? path.join(process.env.CARGO_TARGET_DIR ?? path.join(ROOT, "target"), "release");
const PROGRAMS = ["insitu-agent", "insitu-coordinator"];
const START_MS = 120_000;
const POLL_MS = 250;

const missing = PROGRAMS.filter((name) => !existsSync(path.join(FOLDER, name)));
/** Why there is no real agent here, or false. */
export const skipReal =
  missing.length > 0 &&
  `no ${missing.join(" and no ")} in ${FOLDER}: cargo build --release -p insitu-agent -p insitu-coordinator, or set INSITU_BIN`;

/** A site on this machine, with a federation of its own. */
export class Site {
  home = mkdtempSync(path.join(tmpdir(), "insitu-page-"));
  running = [];
  /** Person -> token. */
  tokens = new Map();

  /** The project whose prelabels may be accepted, once that is earned. */
  earning = null;

  /** The project whose items get surrogates instead of masks. */
  surrogates = null;

  /** `projects`: name -> TOML, beside the heart-disease project that is shipped with its model. */
  async start(projects) {
    const [link, http, api] = [await freePort("udp"), await freePort("tcp"), await freePort("tcp")];
    this.address = `http://127.0.0.1:${api}`;
    const site = this.at("agent");
    await this.coordinator("init", "--dir", this.at("coordinator"), "--federation", "page", "--listen", `127.0.0.1:${link}`, "--http", `127.0.0.1:${http}`);
    this.spawn("insitu-coordinator", ["--config", this.at("coordinator", "coordinator.toml"), "serve"]);
    await answers(`http://127.0.0.1:${http}/readyz`);
    await this.coordinator("site", "add", "cleveland");
    await this.coordinator("token", "--site", "cleveland", "--token-file", this.at("token"));
    for (const [name, toml] of projects) {
      await writeFile(this.at(`${name}.toml`), toml);
      await this.coordinator("project", "create", this.at(`${name}.toml`));
    }
    await this.coordinator("project", "create", path.join(HEART, "project.toml"));
    await this.coordinator("model", "publish", HEART, "--project", "heart-disease");

    await this.agent("init", "--dir", site, "--site", "cleveland", "--listen", `127.0.0.1:${api}`, "--coordinator", `127.0.0.1:${link}`);
    await this.configure(["heart-disease", ...projects.keys()]);
    await this.agent("enroll", "--token-file", this.at("token"));
    for (const [name, role] of [["ann", "annotator"], ["bob", "annotator"], ["eve", "expert"], ["lea", "lead"], ["sam", "steward"], ["ida", "admin"]]) {
      await this.agent("person", "add", name, "--role", role, "--token-file", this.at(name));
      this.tokens.set(name, (await readFile(this.at(name), "utf8")).trim());
    }
    await this.run();
    await until("the projects", async () => (await this.ask("ann", "/api/projects")).length === projects.size + 1);
    const model = await until("the model", async () => JSON.parse(await this.agent("models", "list", "--json"))[0]);
    await this.agent("models", "approve", model.bundle);
    return this;
  }

  /** Starts the agent. */
  async run() {
    this.daemon = this.spawn("insitu-agent", ["--config", this.at("agent", "agent.toml"), "run"]);
    await answers(`${this.address}/readyz`);
  }

  /** Ends the agent without a word, as a power cut does. */
  kill() {
    this.daemon.kill("SIGKILL");
    return new Promise((done) => this.daemon.once("exit", done));
  }

  /** As quick as a test wants it, and with the columns of its files. */
  async configure(names) {
    const file = this.at("agent", "agent.toml");
    await writeFile(this.at("agent", "redaction.toml"), 'mode = "surrogate"\n');
    const written = await readFile(file, "utf8");
    const quick = written.replace(/^(slot|poll) = .*$/gm, '$1 = "1s"').replace(/^enabled = true$/m, "enabled = false");
    await writeFile(file, quick);
    for (const name of names) {
      await appendFile(file, `\n[[project]]\nname = "${name}"\nid = "id"\nholdout_share = 0.1\nimages = "as they are"\n`);
      if (name === this.surrogates) await appendFile(file, 'redaction = "redaction.toml"\n');
      if (name === this.earning) await appendFile(file, "[project.acceptance]\nerror_max = 0.05\n");
    }
  }

  async stop() {
    for (const child of this.running) child.kill("SIGTERM");
    const ended = ({ exitCode, signalCode }) => exitCode !== null || signalCode !== null;
    await Promise.all(this.running.map((child) => ended(child) || new Promise((done) => child.once("exit", done))));
    rmSync(this.home, { recursive: true, force: true });
  }

  /** Imports records, with the files that they name. `files`: name -> bytes. */
  async import(project, records, files = new Map()) {
    const folder = this.at(`files of ${project}`);
    await mkdir(folder, { recursive: true });
    for (const [name, bytes] of files) await writeFile(path.join(folder, name), bytes);
    const list = path.join(folder, "items.jsonl");
    await writeFile(list, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
    await this.agent("import", list, "--project", project);
    await until(`the items of ${project}`, async () => {
      const { queues, done } = (await this.ask("ann", "/api/projects")).find(({ name }) => name === project);
      return queues.annotator + queues.expert + done >= records.length;
    });
  }

  /** The first of the patients that are shipped with the model. */
  async patients(count) {
    const [head, ...rows] = (await readFile(path.join(HEART, "patients.csv"), "utf8")).trim().split("\n");
    const names = head.split(",");
    return rows.slice(0, count).map((row) => Object.fromEntries(row.split(",").map((cell, at) => [names[at], cell])));
  }

  /** What the agent has stored, as it is exported: the records, each with what people said of it. */
  async exported(project) {
    const out = this.at(`labels ${this.exports++}`);
    await this.agent("export", "--project", project, "--format", "jsonl", "--unlabeled", "--names", "--out", out);
    await this.agent("export", "verify", out);
    const [records, said] = await Promise.all(
      ["records.jsonl", "provenance.jsonl"].map(async (name) =>
        (await readFile(path.join(out, name), "utf8")).trim().split("\n").map((line) => JSON.parse(line)),
      ),
    );
    const annotations = new Map(said.map(({ id, annotations }) => [id, annotations]));
    return records.map((record) => ({ ...record, annotations: annotations.get(record.id) }));
  }
  exports = 0;

  async ask(person, where) {
    const response = await fetch(`${this.address}${where}`, { headers: { authorization: `Bearer ${this.tokens.get(person)}` } });
    if (!response.ok) throw new Error(`${where}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  agent(...words) {
    return run("insitu-agent", ["--config", this.at("agent", "agent.toml"), "--log", "error", ...words]);
  }

  coordinator(...words) {
    return run("insitu-coordinator", ["--config", this.at("coordinator", "coordinator.toml"), ...words]);
  }

  spawn(name, words) {
    const child = spawn(path.join(FOLDER, name), words, { stdio: "ignore" });
    this.running.push(child);
    return child;
  }

  at(...parts) {
    return path.join(this.home, ...parts);
  }
}

async function run(name, words) {
  const { stdout } = await promisify(execFile)(path.join(FOLDER, name), words, { maxBuffer: 1 << 26 });
  return stdout;
}

async function until(what, ask) {
  const end = Date.now() + START_MS;
  let trouble;
  while (Date.now() < end) {
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      trouble = error;
    }
    await sleep(POLL_MS);
  }
  throw new Error(`${what}: not in time`, { cause: trouble });
}

function answers(url) {
  return until(url, async () => (await fetch(url)).ok);
}

function freePort(protocol) {
  return new Promise((found) => {
    if (protocol === "udp") {
      const socket = createSocket("udp4").bind(0, "127.0.0.1", () => {
        const { port } = socket.address();
        socket.close(() => found(port));
      });
      return;
    }
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });
}
