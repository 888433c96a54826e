// The page and the real agent: files of every kind are imported, people label some by keyboard, and what the
// agent exports is what they did. Skipped, with a line that says why, where the programs are not built.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { launch, openPage, skip } from "./browser.mjs";
import { recording, smear } from "./kinds-data.mjs";
import { Site, skipReal } from "./real-agent.mjs";
import { saved, signIn } from "./steps.mjs";

const DIST = new URL("../dist/", import.meta.url);
const NOTE = "👩🏽‍⚕️ Started metformin for diabetes; write to ann.smith@example.org. Naïve to insulin.";
const ITEMS = 4;

const note = { name: "note", kind: "text" };
const PROJECTS = new Map(
  Object.entries({
    topics: { task: { kind: "classes" }, classes: ["Drug", "Allergy", "Symptom"], fields: [note] },
    drugs: { task: { kind: "spans", field: "note", relations: ["treats"] }, classes: ["Drug", "Condition"], fields: [note] },
    cells: {
      task: { kind: "regions", field: "scan", shapes: ["box", "polygon"] },
      classes: ["White", "Red"],
      fields: [{ name: "scan", kind: "image" }],
      overlap: 1000,
    },
    rhythm: { task: { kind: "segments", field: "ecg", points: true }, classes: ["Early", "Noise"], fields: [{ name: "ecg", kind: "series" }] },
    letters: { task: { kind: "classes" }, classes: ["Drug", "Other"], fields: [note] },
    answers: {
      task: { kind: "preference", fields: ["a", "b"] },
      classes: ["First", "Second", "Tie"],
      fields: [{ name: "a", kind: "text" }, { name: "b", kind: "text" }],
    },
  }).map(([name, about]) => [name, toml(name, about)]),
);

describe("page and real agent", { skip: skip || skipReal }, () => {
  let browser;
  const site = new Site();
  before(async () => {
    browser = await launch();
    site.earning = "answers";
    site.surrogates = "letters";
    await site.start(PROJECTS);
    const records = (fields) => Array.from({ length: ITEMS }, (_, at) => ({ id: at + 1, number: at + 1, ...fields(at + 1) }));
    await site.import("topics", records(() => ({ note: NOTE })));
    await site.import("drugs", records(() => ({ note: NOTE })));
    await site.import("letters", records((at) => ({ note: `${NOTE} Letter ${at}.` })));
    await site.import("cells", records((at) => ({ scan: `${at}.png` })), named("png", () => smear(320, 240)));
    await site.import("rhythm", records((at) => ({ ecg: `${at}.csv` })), named("csv", () => table(recording(3_000))));
    await site.import("answers", records((at) => ({ a: `Yes, answer ${at}.`, b: `No, answer ${at}.` })));
    await site.import("heart-disease", await site.patients(20));
  });
  after(async () => {
    await site.stop();
    await browser.close();
  });

  const labeled = async (project) => (await site.exported(project)).filter(({ label }) => label !== null);
  const annotations = async (project) => (await site.exported(project)).flatMap((record) => record.annotations);

  /** A page of the real agent at a project; whatever it complained about fails the test. */
  function check(project, name, run) {
    test(`${project}: ${name}`, async () => {
      const people = [];
      const open = async (person) => {
        const opened = await openPage(browser, site.address, {}, present);
        people.push(opened);
        await signIn(opened.page, site.tokens.get(person));
        await opened.page.getByLabel("Project").selectOption(project);
        await opened.page.waitForFunction((name) => document.querySelector("#project")?.value === name, project);
        return hands(opened.page);
      };
      try {
        await run(open);
        for (const { complaints } of people) assert.deepEqual(complaints, []);
      } finally {
        for (const { context } of people) await context.close();
      }
    });
  }

  check("topics", "any number of classes", async (open) => {
    const ann = await open("ann");
    await ann.decide("2", "3", "Enter");
    await ann.decide("ArrowDown", " ", "Control+Enter");
    await ann.decide("1", "Enter");
    await ann.press("Backspace"); // the last decision is taken back, and made again
    await ann.decide("Enter");
    await ann.saved();
    assert.deepEqual(labels(await site.exported("topics")), [{ classes: [0] }, { classes: [0] }, { classes: [1, 2] }]);
  });

  check("drugs", "spans and a relation, at the code points of the redacted text", async (open) => {
    const ann = await open("ann");
    await ann.pick("metformin", "1");
    await ann.pick("diabetes", "2");
    await ann.pick("insulin", "1");
    await ann.press("Escape", "Tab", "l", "Tab", "Enter");
    await ann.decide("Enter");
    await ann.saved();
    const [{ label, fields }] = await labeled("drugs");
    const text = [...fields.note];
    assert.match(fields.note, /\[EMAIL/, "redacted before anybody saw it");
    assert.deepEqual(
      label.spans.map(({ start, end, class: index }) => [text.slice(start, end).join(""), index]),
      [["metformin", 0], ["diabetes", 1], ["insulin", 0]],
    );
    assert.deepEqual(label.relations, [{ from: 0, to: 1, relation: 0 }]);
  });

  check("cells", "boxes and polygons; two readers differ, and an expert takes one over", async (open) => {
    const ann = await open("ann");
    await ann.page.locator(".scan image").waitFor();
    const polygon = ["p", "Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter", "p", "1"];
    await ann.decide("b", "2", "Shift+ArrowLeft", "Escape", ...polygon, "Enter");
    await ann.saved();
    const bob = await open("bob");
    await bob.page.getByText("Blind read").waitFor();
    await bob.page.locator(".scan image").waitFor();
    await bob.decide("b", "2", "Shift+ArrowLeft", "Enter");
    await bob.saved();
    const eve = await open("eve");
    await eve.page.locator(".reading").nth(1).waitFor();
    assert.equal(await eve.page.locator(".reading").getByText("only here").count(), 1);
    await eve.decide("t", "Enter");
    await eve.saved();
    const [settled, ...others] = await labeled("cells");
    assert.equal(others.length, 0);
    assert.deepEqual(settled.annotations.map(({ by, reading }) => [by, reading]), [["ann", "first"], ["bob", "second, blind"], ["eve", "expert"]]);
    const [box, outline] = settled.label.regions.sort((one) => ("box" in one ? -1 : 1));
    near(box.box, [37.5 - 1000 / 320, 37.5, 25, 25]);
    assert.deepEqual([box.class, outline.class], [1, 0]);
    near(outline.polygon.flat(), [50, 50, 50 + 1000 / 320, 50, 50 + 1000 / 320, 50 + 1000 / 240]);
  });

  check("rhythm", "a segment of one channel and a point of all, on samples of the recording", async (open) => {
    const ann = await open("ann");
    await ann.page.locator(".lanes canvas").waitFor();
    await ann.decide("s", "1", "k", "e", "ArrowLeft", "Escape", "p", "2", "Shift+ArrowRight", "Enter");
    await ann.saved();
    const [{ label: { segments } }] = await labeled("rhythm");
    const [made, point] = [segments.find(({ class: index }) => index === 0), segments.find(({ class: index }) => index === 1)];
    assert.equal(made.channel, 0);
    assert.ok(made.start > 26 && made.start < 27 && made.end > 32.9 && made.end < 33.1, JSON.stringify(made));
    assert.ok(point.start === point.end && point.start > 30 && point.channel == null, JSON.stringify(point));
    for (const time of [made.start, made.end, point.start]) {
      assert.ok(Math.abs(time / 0.02 - Math.round(time / 0.02)) < 1e-6, `${time} is on a sample`);
    }
  });

  check("answers", "the better one of two, or neither", async (open) => {
    const ann = await open("ann");
    await ann.decide("ArrowRight");
    await ann.decide("=");
    await ann.decide("ArrowLeft");
    await ann.saved();
    assert.deepEqual(labels(await site.exported("answers")), ["First", "Second", "Tie"]);
  });

  check("heart-disease", "drafts of the shipped model: accepted, corrected, skipped, flagged with a comment", async (open) => {
    const ann = await open("ann");
    const drafted = await ann.suggestion();
    await ann.decide("a");
    const other = (await ann.suggestion()) === "no disease" ? ["2", "disease"] : ["1", "no disease"];
    await ann.decide(other[0]);
    await ann.decide(" ", "2");
    await ann.press("c");
    await ann.page.keyboard.type("contradicts itself");
    await ann.press("Escape");
    await ann.decide("f");
    await ann.saved();
    const said = (await annotations("heart-disease")).map(({ verdict, label, comment }) => [verdict, label, comment]);
    assert.deepEqual(sorted(said), sorted([
      ["label", drafted, null],
      ["label", other[1], null],
      ["skip", null, null],
      ["flag", null, "contradicts itself"], // an expert decides, without a label to lean on
    ]));
  });

  check("heart-disease", "an agent that is killed loses nothing that was decided", async (open) => {
    const ann = await open("ann");
    const before = await annotations("heart-disease");
    await site.kill();
    for (let decisions = 0; decisions < 3; decisions += 1) await ann.decide("a");
    await ann.page.getByText("3 decisions wait").waitFor();
    await site.run();
    await ann.saved();
    assert.equal((await annotations("heart-disease")).length, before.length + 3);
  });
  check("answers", "the lead sees how good the labels are, and what acceptance has yet to earn", async (open) => {
    const lea = await open("lea");
    await lea.page.getByRole("link", { name: "Quality" }).click();
    const row = lea.page.getByRole("region", { name: "What each class has earned" }).getByRole("row", { name: /^Tie/ });
    await row.getByText("Not yet").waitFor();
    // 0.95^93 is below 0.05/6: the first test of one of three classes.
    assert.match(await row.innerText(), /94 audited items more/);
    await lea.page.getByRole("heading", { name: "Label next" }).waitFor();
  });

  // Last: who signs in anew is given items at once, which nobody else is then.
  test("a steward sees what surrogates of an item stand for, while a key is held, and the log says so", async () => {
    const [{ item, fields }] = await site.ask("ann", "/api/projects/letters/next?count=1");
    assert.doesNotMatch(fields[0].value, /ann\.smith/);
    const { context, page, complaints } = await openPage(browser, site.address);
    await signIn(page, site.tokens.get("sam"));
    await page.getByRole("link", { name: "Originals" }).click();
    await page.getByLabel("The item’s name").fill(item);
    await page.keyboard.press("Enter");
    await page.getByText("Started metformin").waitFor();
    assert.doesNotMatch(await page.content(), /ann\.smith/);
    await page.getByLabel("Why they must be seen").fill("a letter to the patient");
    await page.keyboard.press("Escape");
    await page.keyboard.down("r");
    await page.locator("mark", { hasText: "ann.smith@example.org" }).waitFor();
    await page.keyboard.up("r");
    await page.locator("mark").waitFor({ state: "detached" });
    assert.doesNotMatch(await page.content(), /ann\.smith/);
    assert.deepEqual(complaints, []);
    await context.close();
    const revealed = await site.agent("audit", "log", "list", "--what", "revealed");
    assert.match(revealed, new RegExp(`sam.*${item}`));
    assert.match(await site.agent("vault", "log"), new RegExp(`sam.*${item}.*a letter to the patient`));
  });

  test("an administrator adds somebody, who signs in, and signs them out again", async () => {
    const password = "correct horse battery";
    const admin = await openPage(browser, site.address);
    await signIn(admin.page, site.tokens.get("ida"));
    await admin.page.getByRole("button", { name: "Add somebody" }).click();
    await admin.page.getByLabel("Name").fill("gus");
    await admin.page.getByLabel("First password").fill(password);
    await admin.page.keyboard.press("Enter");
    const row = admin.page.getByRole("row", { name: /^gus/ });
    await row.waitFor();

    const gus = await openPage(browser, site.address);
    await gus.page.goto(`${site.address}/sign-in.html`);
    await gus.page.getByLabel("Your name").fill("gus");
    await gus.page.getByLabel("Password", { exact: true }).fill(password);
    await gus.page.keyboard.press("Enter");
    await gus.page.getByRole("button", { name: /Sign out/ }).waitFor();

    await admin.page.reload();
    await row.getByText("in one browser").waitFor();
    await admin.page.getByRole("button", { name: "Sign out gus" }).click();
    await row.getByText("in one browser").waitFor({ state: "detached" });
    await gus.page.reload();
    await gus.page.getByRole("link", { name: "Sign in with your name" }).waitFor();
    for (const { complaints, context } of [admin, gus]) {
      assert.deepEqual(complaints, []);
      await context.close();
    }
    const log = await site.agent("audit", "log", "list", "--who", "ida");
    assert.match(log, /person-added/);
    assert.match(log, /signed-out/);
  });
});

/** A page and the keys of a person at it. */
function hands(page) {
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const card = () => page.locator("article").waitFor();
  return {
    page,
    press,
    /** Presses keys of which the last one decides, and waits for the next item, or for none. */
    async decide(...keys) {
      await card();
      const before = await page.locator("article .values").innerText();
      await press(...keys);
      await page.waitForFunction((before) => document.querySelector("article .values")?.innerText !== before, before);
    },
    async pick(word, key) {
      await card();
      await press("Escape");
      for (let steps = 0; steps < 40; steps += 1) {
        if ((await page.locator("[aria-live]").last().innerText()).trim() === word) return press(key);
        await press("ArrowRight");
      }
      assert.fail(`${word} was not reached`);
    },
    async suggestion() {
      await card();
      return page.locator(".suggestion strong").innerText();
    },
    saved: () => saved(page),
  };
}

/** A binary may have been built before the page: what it serves is replaced by what is tested here. */
async function present(context) {
  for (const name of ["app.js", "chunk.js", "quality.js", "app.css"]) {
    const fresh = await readFile(new URL(name, DIST), "utf8");
    await context.route(`**/${name}`, async (route) => {
      const response = await route.fetch();
      if ((await response.text()) !== fresh) return route.fulfill({ response, body: fresh });
      return route.fulfill({ response });
    });
  }
}

/** Labels of record. */
function labels(records) {
  return sorted(records.map(({ label }) => label).filter((label) => label !== null));
}

/** In an order of their own. */
function sorted(values) {
  return values.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

function near(found, expected) {
  found.forEach((value, at) => assert.ok(Math.abs(value - expected[at]) < 1e-4, `${found} is not ${expected}`));
}

function named(ending, bytes) {
  return new Map(Array.from({ length: ITEMS }, (_, at) => [`${at + 1}.${ending}`, bytes()]));
}

/** A recording as the table that a device exports. */
function table({ clock, channels }) {
  const head = [`time [${clock.unit}]`, ...channels.map(({ name, unit }) => `${name} [${unit}]`)];
  const rows = channels[0].values.map((_, at) => [clock.start + at * clock.step, ...channels.map(({ values }) => values[at] ?? "")]);
  return [head, ...rows].map((row) => row.join()).join("\n");
}

/** A project as its owner writes it. */
function toml(name, { task, classes, fields, overlap = 0 }) {
  const table = (entries) => Object.entries(entries).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`).join("");
  const field = ({ name, kind }) => `[[fields]]\n${table({ name, title: name, kind })}`;
  return [
    table({ name, version: 1, title: `Project ${name}`, instructions: "Look closely." }),
    ...classes.map((name) => `[[classes]]\n${table({ name })}`),
    ...[...fields, { name: "number", kind: "number" }].map(field),
    `[[features]]\nfield = "number"\nbins = { edges = [2.0] }\n`,
    `[task]\n${table(task)}`,
    `[routing]\n${table({ accept_at: 1001, expert_below: 0, overlap })}`,
    "[statistics]\nconfusion_nano_rho = 2000000\ncoincidence_nano_rho = 1000000\ncalibration_nano_rho = 1000000\ndrift_nano_rho = 2000000\ncalibration_bins = 5\n",
    "[training]\nrounds = 2\nrun_nano_rho = 20000000\nclip_milli = 1000\nfraction_bits = 12\nlearning_rate = 1.0\nmomentum = 0.5\n",
  ].join("\n");
}
