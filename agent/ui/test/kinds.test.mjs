// Every kind of label in a real browser: by keyboard alone, by pointer, and what the agent gets.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, openPage, skip } from "./browser.mjs";
import { FakeAgent } from "./fake-agent.mjs";
import { points, prepareKind, toSettle } from "./kinds-data.mjs";
import { axe, picture, saved, signIn, TABLET } from "./steps.mjs";

describe("kinds of labels", { skip }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser.close());

  /** A page signed in to an agent with a project of a kind; whatever it complained about fails the test. */
  function check(kind, name, run, { options, token, ...rest } = {}) {
    test(`${kind}: ${name}`, async () => {
      const agent = new FakeAgent([]);
      prepareKind(agent, kind, rest);
      await agent.start();
      const opened = await openPage(browser, agent.address, options);
      try {
        await signIn(opened.page, token);
        await card(opened.page, 1);
        await run({ agent, press: presser(opened.page), ...opened });
        assert.deepEqual(opened.complaints, []);
      } finally {
        await opened.context.close();
        await agent.stop();
      }
    });
  }

  check("classes", "digits toggle, enter submits, undo brings the answer back", async ({ agent, page, press }) => {
    await press("2", "3", "Enter");
    await card(page, 2);
    await press("a");
    await card(page, 3);
    await press("x", "Enter");
    await card(page, 4);
    await press("Backspace", "Backspace"); // the last item, then the one before
    await card(page, 2);
    assert.deepEqual(await chosen(page), ["Medication", "Symptom"]);
    await press("4", "Enter");
    await saved(page);
    assert.deepEqual(
      agent.arrived.map(({ decision, label }) => [decision, label.classes]),
      [
        ["correct", [0, 1]],
        ["accept", [0, 2]],
        ["correct", []],
        ["correct", [0, 2, 3]],
      ],
    );
    assert.ok(agent.arrived.every((sent) => !("class" in sent)));
  });

  check("classes", "arrows and space reach what has no digit", async ({ agent, page, press }) => {
    await press("ArrowDown", "ArrowDown", " ", "Control+Enter");
    await saved(page);
    assert.deepEqual(agent.arrived[0].label.classes, [0, 1, 2]);
  });

  check(
    "classes",
    "a project's own keys, a digit among them, and the digit that it takes from another class",
    async ({ agent, page, press }) => {
      const caps = await page.locator(".class kbd").allInnerTexts();
      assert.deepEqual(caps, ["M", "1", "3", "4"]); // A is taken by accept
      await press("x", "m", "1", "2", "Enter");
      await saved(page);
      assert.deepEqual(agent.arrived[0].label.classes, [0]);
    },
    { classes: (all) => all.map((one, index) => ({ ...one, ...[{ key: "m" }, { key: "1" }, {}, { key: "a" }][index] })) },
  );

  check("preference", "left, right and equal decide", async ({ agent, page, press }) => {
    const [left, right] = await Promise.all(["Answer A", "Answer B"].map((name) => page.locator(".text", { hasText: name }).boundingBox()));
    assert.ok(left.x + left.width <= right.x && Math.abs(left.y - right.y) < 1, "side by side");
    await press("ArrowLeft");
    await card(page, 2);
    await press("ArrowRight");
    await card(page, 3);
    await press("=");
    await card(page, 4);
    await press("2");
    await saved(page);
    assert.deepEqual(
      agent.arrived.map(({ decision, label }) => [decision, label.class]),
      [["accept", 0], ["correct", 1], ["correct", 2], ["correct", 1]],
    );
  });

  check("spans", "the draft is accepted as it is, and not once it was changed", async ({ agent, page, press }) => {
    await press("a");
    await card(page, 2);
    await press("Tab", "Delete", "a");
    await page.getByText("You changed the suggestion").waitFor();
    await press("Enter");
    await saved(page);
    const [accepted, corrected] = agent.arrived;
    assert.deepEqual([accepted.decision, accepted.label.spans.length, accepted.label.relations.length], ["accept", 5, 1]);
    assert.deepEqual([corrected.decision, corrected.label.spans.length, corrected.label.relations.length], ["correct", 4, 0]);
    assert.deepEqual(corrected.label.spans[0], { ...points("500 mg"), class: 2 });
  });

  check("spans", "made by keyboard at code points: emoji, combining marks, right to left, a mask", async ({ agent, page, press }) => {
    await press("x");
    await press("ArrowRight", "ArrowRight", "ArrowRight", "2"); // Pt, the mask, the emoji
    await pickWord(page, press, "vu");
    await press("Shift+ArrowLeft", "3"); // the word before as well
    await pickWord(page, press, "البنسلين");
    await press("d"); // the class's own key
    await press("Enter");
    await saved(page);
    assert.deepEqual(agent.arrived[0].label.spans, [
      { ...points("👩🏽‍⚕️"), class: 1 },
      { ...points("de\u0301ja\u0300 vu"), class: 2 },
      { ...points("البنسلين"), class: 0 },
    ]);
  });

  check("spans", "edges move by grapheme, and over a mask as a whole", async ({ agent, page, press }) => {
    await press("x", "ArrowRight", "ArrowRight", "ArrowRight", "1");
    await press("[", "[", "[", "{"); // the space, the mask, the space before it, and that one back
    await press("]", "]", "]", "}"); // the space, "s", "t", and that one back
    await press("Escape");
    await pickWord(page, press, "déjà".normalize("NFD"));
    await press("2", "}");
    await press("Enter");
    await saved(page);
    const mask = "[NAME:0123456789abcdef] 👩🏽‍⚕️ s";
    assert.deepEqual(agent.arrived[0].label.spans, [
      { ...points(mask), class: 0 },
      { ...points("de\u0301j"), class: 1 },
    ]);
  });

  check("spans", "up and down go from line to line", async ({ agent, page, press }) => {
    await press("x");
    await pickWord(page, press, "metformin");
    const top = async () => (await rectOf(page, "metformin")).y;
    const before = await top();
    await press("ArrowDown", "1", "ArrowUp", "2", "Enter");
    await saved(page);
    assert.equal(await top(), before, "nothing had to scroll");
    const [above, below] = agent.arrived[0].label.spans;
    assert.deepEqual(above, { ...points("metformin"), class: 1 });
    assert.ok(below.start > points("nausea").start, "a word of the second line");
  });

  check(
    "spans",
    "from right to left, the left arrow goes on",
    async ({ agent, page, press }) => {
      await press("ArrowLeft", "ArrowLeft", "Shift+ArrowLeft", "1", "Enter");
      await saved(page);
      const text = "لا حساسية من البنسلين";
      assert.deepEqual(agent.arrived[0].label.spans, [{ ...points("حساسية من", text), class: 0 }]);
    },
    {
      change: (index) => ({
        prelabel: null,
        fields: [
          { name: "note", title: "Note", value: "لا حساسية من البنسلين", unit: "", kind: "text" },
          { name: "number", title: "Item", value: index + 1, unit: "", kind: "number" },
        ],
      }),
    },
  );

  check("spans", "exactly as picked with alt, letter by letter", async ({ agent, page, press }) => {
    await press("x");
    await pickWord(page, press, "metformin");
    await press("Alt+Shift+ArrowLeft", "Alt+Shift+ArrowLeft", "1");
    await press("Enter");
    await saved(page);
    assert.deepEqual(agent.arrived[0].label.spans, [{ ...points("metform"), class: 0 }]);
  });

  check("spans", "relations: l, tab, enter, digit; relabelled and removed", async ({ agent, page, press }) => {
    await press("Tab", "Tab", "l", "Tab", "Enter", "2"); // 500 mg causes diabetes
    await page.locator(".mark-row", { hasText: "causes" }).waitFor();
    await press("1"); // the new relation is selected
    await press("Tab"); // past the last one: the focus goes on
    await press("Escape");
    await page.locator("[data-surface]").focus();
    await press("Tab", "Delete"); // metformin goes with its relation
    await press("Enter");
    await saved(page);
    const { spans, relations } = agent.arrived[0].label;
    assert.equal(spans.length, 4);
    assert.deepEqual(relations, [{ from: 0, to: 1, relation: 0 }]);
    assert.deepEqual(spans[relations[0].from], { ...points("500 mg"), class: 2 });
  });

  check("spans", "a change of the label ends a relation that was under way", async ({ agent, page, press }) => {
    await press("Tab", "Tab", "Tab", "l");
    await page.getByText("Relate to which one?").waitFor();
    await press("Shift+Tab", "Delete"); // a span before the one that the relation starts at
    await page.getByText("Relate to which one?").waitFor({ state: "detached" });
    await press("Enter");
    await saved(page);
    const { spans, relations } = agent.arrived[0].label;
    assert.equal(spans.length, 4);
    assert.deepEqual(relations, [{ from: 0, to: 1, relation: 0 }]);
  });

  check(
    "spans",
    "axe finds nothing while a relation is under way",
    async ({ page, press }) => {
      await press("Tab", "l");
      await axe(page, "from one span");
      await press("Tab", "Enter");
      await page.getByRole("button", { name: "1 treats" }).waitFor();
      await axe(page, "which relation");
      await picture(page, "spans-linking");
      await page.getByRole("button", { name: "2 causes" }).click();
      await page.locator(".mark-row", { hasText: "causes" }).waitFor();
    },
    { options: { bypassCSP: true } },
  );

  check("spans", "tab leaves after the last one, and comes back from behind", async ({ page, press }) => {
    for (let stop = 0; stop < 6; stop += 1) await press("Tab");
    assert.match(await page.locator('[aria-current="true"]').innerText(), /treats/);
    await press("Tab");
    assert.equal(await page.locator('[aria-current="true"]').count(), 0);
    const within = () => page.evaluate(() => document.activeElement.closest("[data-surface]") !== null);
    assert.equal(await within(), false);
    await press("Shift+Tab");
    assert.equal(await within(), true);
    await press("Shift+Tab");
    assert.match(await page.locator('[aria-current="true"]').innerText(), /treats/);
  });

  check("spans", "the pointer selects, snaps to words, and with alt does not", async ({ agent, page, press }) => {
    await press("x");
    await drag(page, await rectOf(page, "iabete"));
    await press("2");
    await page.locator(".mark-row", { hasText: "“diabetes”" }).waitFor();
    await drag(page, await rectOf(page, "lisino"));
    await press("Alt+1");
    await page.locator(".mark-row", { hasText: "“lisino”" }).waitFor();
    await drag(page, await rectOf(page, "bleeding"));
    await page.locator(".class", { hasText: "Condition" }).click(); // as on a tablet
    const { x, y, width, height } = await rectOf(page, "diabetes");
    await page.mouse.click(x + width / 2, y + height / 2);
    await press("3", "Enter");
    await saved(page);
    assert.deepEqual(agent.arrived[0].label.spans, [
      { ...points("diabetes"), class: 2 },
      { ...points("bleeding"), class: 1 },
      { ...points("lisino"), class: 0 },
    ]);
  });

  check("spans", "the list is read and operated without the text", async ({ agent, page, press }) => {
    const names = ["Drug “metformin”", "Dose “500 mg”", "Condition “diabetes”", "Condition “nausea”", "Drug “Aspirin”"];
    for (const name of names) await page.getByRole("button", { name: `${name} suggested`, exact: true }).waitFor();
    await page.getByRole("button", { name: "“metformin” treats “diabetes”", exact: true }).waitFor();
    await page.getByRole("button", { name: "Drug “metformin”" }).focus();
    await press("ArrowDown", "ArrowDown", "}", "1", "ArrowDown", "Delete");
    assert.ok(await page.evaluate(() => document.activeElement.matches(".mark-row")), "the focus stays in the list");
    await press("Control+Enter");
    await saved(page);
    assert.deepEqual(agent.arrived[0].label.spans[2], { ...points("diabete"), class: 0 });
    assert.equal(agent.arrived[0].label.spans.length, 4);
  });

  check("spans", "an unfinished label survives a reload, with its undo; so does what undo brought back", async ({ agent, page, press }) => {
    await press("Tab", "2", "Tab", "Delete");
    await page.reload();
    await card(page, 1);
    assert.equal(await page.locator(".marks li").count(), 5);
    await press("Backspace", "Backspace");
    assert.match(await page.locator(".marks li").first().innerText(), /Drug/);
    await press("Tab", "2", "Enter");
    await card(page, 2);
    await saved(page);
    await page.reload();
    await card(page, 2);
    await press("Control+z");
    await card(page, 1);
    assert.match(await page.locator(".marks li").first().innerText(), /Condition/);
    await saved(page);
    await page.reload();
    await card(page, 1);
    assert.match(await page.locator(".marks li").first().innerText(), /Condition/);
    await press("Enter");
    await saved(page);
    const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }));
    assert.doesNotMatch(kept, /metformin/, "no content of an item in localStorage");
    assert.equal(agent.annotations.get(agent.items[0].item).label.spans[0].class, 1);
  });

  check("spans", "decisions without a network are kept with their labels and sent once", async ({ agent, page, press }) => {
    agent.mode = "away";
    await press("Tab", "Delete", "Enter");
    await card(page, 2);
    await press("a");
    await card(page, 3);
    await page.getByText("2 decisions wait").waitFor();
    await page.reload();
    agent.mode = "up";
    await card(page, 3);
    await saved(page);
    assert.deepEqual(
      agent.arrived.map(({ label }) => label.spans.length),
      [4, 5],
    );
  });

  check(
    "spans",
    "a blind card shows no draft",
    async ({ agent, page, press }) => {
      await page.getByText("Blind second read").waitFor();
      assert.equal(await page.locator(".marks li").count(), 0);
      await press("a", "ArrowRight", "1", "Enter");
      await saved(page);
      assert.deepEqual(agent.arrived.map(({ decision, label }) => [decision, label.spans]), [["correct", [{ start: 0, end: 2, class: 0 }]]]);
    },
    { change: () => ({ blind: true }) },
  );

  check("regions", "keyboard: cycle, move, corner, relabel, new box, remove", async ({ agent, page, press }) => {
    await press("Tab", "ArrowRight", "Shift+ArrowDown"); // the first box, by 1 and by 10 pixels
    await press("Tab", "e", "Shift+ArrowRight", "2", "3"); // the second box, its lower right corner
    await press("Tab", "Delete"); // the polygon
    await press("Escape", "2", "b", "Shift+ArrowLeft");
    await press("Enter");
    await saved(page);
    const { regions } = agent.arrived[0].label;
    const near = (box, expected) => box.forEach((value, at) => assert.ok(Math.abs(value - expected[at]) < 1e-4, `${box} is not ${expected}`));
    assert.equal(regions.length, 3);
    const of = (index) => regions.find((region) => region.class === index).box;
    near(of(0), [35 + 100 / 640, 30 + 1000 / 480, 22, 28]);
    near(of(2), [8, 12, 13 + 1000 / 640, 17]);
    near(of(1), [37.5 - 1000 / 640, 37.5, 25, 25]);
  });

  check("regions", "a polygon by keyboard, corner by corner", async ({ agent, page, press }) => {
    await press("x", "p", "Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter", "Backspace", "p");
    await page.getByText("3 corners or more").waitFor();
    await press("Enter", "p", "3", "Enter");
    await saved(page);
    const [{ class: index, polygon }] = agent.arrived[0].label.regions;
    assert.equal(index, 2);
    assert.deepEqual(polygon.map(([x, y]) => [Math.round(x * 6.4), Math.round(y * 4.8)]), [[320, 240], [330, 240], [330, 250]]);
  });

  check(
    "regions",
    "axe finds nothing while a polygon is under way",
    async ({ page, press }) => {
      await press("p", "Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Shift+ArrowDown");
      await axe(page, "two corners");
      await picture(page, "regions-drawing");
    },
    { options: { bypassCSP: true } },
  );

  check("regions", "the pointer draws, moves, takes a handle and sets corners", async ({ agent, page, press }) => {
    await press("x");
    const at = await surface(page);
    await page.getByRole("button", { name: "Red cell" }).click();
    await move(page, at(10, 10), at(30, 40));
    await move(page, at(20, 20), at(30, 20)); // all of it
    await move(page, at(40, 40), at(50, 50)); // its lower right corner
    await page.getByRole("button", { name: /^Polygon/ }).click();
    for (const [x, y] of [[60, 60], [80, 60], [80, 80], [60, 60]]) await page.mouse.click(...at(x, y));
    await page.mouse.click(...at(90, 10)); // nothing there: nothing is selected
    assert.equal(await page.locator('[aria-current="true"]').count(), 0);
    await press("Enter");
    await saved(page);
    const regions = agent.arrived[0].label.regions.map((region) => ({ ...region, box: region.box?.map(Math.round), polygon: region.polygon?.map((corner) => corner.map(Math.round)) }));
    assert.deepEqual(regions, [
      { class: 1, box: [20, 10, 30, 40], polygon: undefined },
      { class: 1, box: undefined, polygon: [[60, 60], [80, 60], [80, 80]] },
    ]);
  });

  check("regions", "the wheel zooms where it is, and a drag still lands under the pointer", async ({ agent, page, press }) => {
    await press("x");
    const at = await surface(page);
    await page.mouse.move(...at(25, 25));
    await page.mouse.wheel(0, -600);
    const zoomed = await page.locator(".scan svg").first().getAttribute("viewBox");
    assert.notEqual(zoomed, "0 0 640 480");
    await move(page, at(25, 25), at(75, 75));
    await press("0");
    assert.equal(await page.locator(".scan svg").first().getAttribute("viewBox"), "0 0 640 480");
    await press("Enter");
    await saved(page);
    const [x, y, width, height] = agent.arrived[0].label.regions[0].box;
    assert.ok(Math.abs(x - 25) < 0.5 && Math.abs(y - 25) < 0.5, `${x}, ${y}`);
    assert.ok(width < 35 && Math.abs(width - height) < 0.5, `${width} × ${height}`);
  });

  check("regions", "images are fetched ahead, with the token, each once", async ({ agent, page, press }) => {
    await page.waitForFunction(() => document.querySelector(".scan image") !== null);
    await press("a");
    await card(page, 2);
    assert.ok(await page.evaluate(() => document.querySelector(".scan image") !== null), "there at once");
    await saved(page);
    assert.ok(agent.fetched.length >= 10);
    assert.equal(new Set(agent.fetched).size, agent.fetched.length);
  });

  check("segments", "keyboard: cycle, edges, relabel, new segment, new point, channel", async ({ agent, page, press }) => {
    await page.locator(".lanes canvas").waitFor();
    await press("Tab", "Delete", "2", "]"); // the first goes; the second is selected, and ends later
    await press("Escape", "s", "1", "k", "e", "ArrowLeft");
    await press("Escape", "p", "Shift+ArrowRight");
    await press("Enter");
    await saved(page);
    const { segments } = agent.arrived[0].label;
    assert.equal(segments.length, 3);
    const [made, noise, point] = [segments.find(({ channel }) => channel === 0), segments.find(({ class: index }) => index === 1), segments.find(({ start, end }) => start === end)];
    assert.ok(noise.start === 30 && noise.end > 36 && noise.end < 36.2, `${noise.end}`);
    assert.ok(made.start < 27.01 && made.end > 32.9, JSON.stringify(made));
    assert.ok(point.start > 30 && point.start < 32 && point.channel === undefined, JSON.stringify(point));
    for (const { start, end } of segments) {
      for (const time of [start, end]) assert.ok(Math.abs(time / 0.003 - Math.round(time / 0.003)) < 1e-6, `${time} is on a sample`);
    }
  });

  check("segments", "the pointer: a drag on a lane, an edge, a click for a point, the time axis for all channels", async ({ agent, page, press }) => {
    await page.locator(".lanes canvas").waitFor();
    await press("x");
    const at = await surface(page, ".lanes");
    await move(page, at(10, 75), at(20, 75)); // the lower lane
    await move(page, at(20, 75), at(30, 75)); // its end
    await page.mouse.click(...at(50, 25)); // a point on the upper lane
    const ruler = await surface(page, ".ruler");
    await move(page, ruler(80, 50), ruler(90, 50));
    await press("Enter");
    await saved(page);
    const about = agent.arrived[0].label.segments.map(({ start, end, ...rest }) => ({ start: Math.round(start), end: Math.round(end), ...rest }));
    assert.deepEqual(about, [
      { class: 0, start: 6, end: 18, channel: 1 },
      { class: 0, start: 30, end: 30, channel: 0 },
      { class: 0, start: 48, end: 54 },
    ]);
  });

  check("segments", "zooms by wheel and key, and pans by arrow", async ({ page, press }) => {
    await page.locator(".lanes canvas").waitFor();
    const ticks = () => page.locator(".ruler text").allInnerTexts();
    const whole = await ticks();
    await press("+", "+", "+");
    const near = await ticks();
    assert.notDeepEqual(near, whole);
    await press("Shift+ArrowRight");
    assert.notDeepEqual(await ticks(), near);
    await press("0");
    assert.deepEqual(await ticks(), whole);
    const at = await surface(page, ".lanes");
    await page.mouse.move(...at(50, 25));
    await page.mouse.wheel(0, -800);
    await page.waitForFunction((first) => document.querySelector(".ruler text").textContent !== first, whole[0]);
  });

  check(
    "segments",
    "a recording that does not come says so, and comes when asked again",
    async ({ agent, page }) => {
      await page.getByText("Two leads is not here").waitFor();
      agent.files.set("ecg", { type: "application/json", body: JSON.stringify({ clock: { start: 0, step: 1, unit: "s" }, channels: [{ name: "I", unit: "", values: [1, null, 3] }] }) });
      await page.getByRole("button", { name: "Try again" }).click();
      await page.locator(".lanes canvas").waitFor();
    },
    { samples: 0 },
  );

  check(
    "regions",
    "a finger draws, two fingers zoom and draw nothing",
    async ({ agent, page, context, press }) => {
      await page.locator(".scan image").waitFor();
      await press("x");
      const at = await surface(page);
      const touch = toucher(await context.newCDPSession(page));
      await touch([at(20, 20)], [at(30, 30)], [at(40, 40)]);
      await page.locator(".mark-row").waitFor();
      await touch([at(45, 50), at(55, 50)], [at(30, 50), at(55, 50)], [at(30, 50), at(80, 50)]);
      const [x, , across] = (await page.locator(".scan svg").first().getAttribute("viewBox")).split(" ").map(Number);
      assert.ok(across < 300 && x > 100, `${x}, ${across}`);
      assert.equal(await page.locator(".mark-row").count(), 1);
      await press("Control+Enter");
      await saved(page);
      assert.deepEqual(agent.arrived[0].label.regions[0].box.map(Math.round), [20, 20, 20, 20]);
    },
    { options: TABLET },
  );

  check(
    "spans",
    "in forced colours each class still has a line of its own",
    async ({ page }) => {
      const lines = await page.evaluate(() =>
        [...document.adoptedStyleSheets.flatMap((sheet) => [...sheet.cssRules])]
          .filter(({ selectorText }) => selectorText?.includes("drafted"))
          .map(({ style }) => style.textDecorationStyle),
      );
      assert.equal(new Set(lines).size, 3);
      await picture(page, "spans-forced-colours");
    },
    { options: { forcedColors: "active" } },
  );

  for (const kind of ["classes", "spans", "regions", "segments", "preference"]) {
    check(
      kind,
      "an expert sees the readings side by side, with what differs, and takes one over by a key",
      async ({ agent, page, press }) => {
        const readers = page.locator(".reading");
        const [first, second] = await Promise.all([readers.nth(0).boundingBox(), readers.nth(1).boundingBox()]);
        assert.ok(first.x + first.width <= second.x, "side by side");
        assert.ok((await readers.getByText("only here").count()) >= 2);
        await picture(page, `${kind}-expert`);
        await axe(page, "readings");
        await press("t", "t");
        await readers.nth(1).getByText("Taken over").waitFor();
        await press("Enter");
        await saved(page);
        const settled = agent.arrived[0];
        assert.equal(settled.decision, "correct");
        assert.deepEqual(sorted(settled.label), sorted(toSettle(kind).readings[1].label));
      },
      { token: "eve-token", change: () => toSettle(kind), options: { bypassCSP: true } },
    );

    for (const [name, options] of [
      ["desktop-light", {}],
      ["desktop-dark", { colorScheme: "dark" }],
      ["tablet-light", TABLET],
    ]) {
      check(
        kind,
        `axe finds nothing, and nothing is wider than the screen (${name})`,
        async ({ page, press }) => {
          await page.locator("article").waitFor();
          await page.waitForFunction(() => document.querySelector(".loading") === null);
          await press("Tab");
          await picture(page, `${kind}-${name}`);
          await axe(page, "selected");
          await press("h");
          await axe(page, "guideline");
          await press("Escape", "?");
          await picture(page, `${kind}-${name}-keys`);
          await axe(page, "keys");
          await press("Escape");
          const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(over <= 0, `the page is ${over} px too wide`);
          const small = await page.evaluate(() =>
            [...document.querySelectorAll("main button, header button")]
              .map((button) => [button.textContent, button.getBoundingClientRect()])
              .filter(([, { width, height }]) => width < 44 || height < 44)
              .map(([name]) => name),
          );
          assert.deepEqual(small, [], "targets of 44 px at least");
        },
        { options: { bypassCSP: true, ...options } },
      );
    }
  }
});

function card(page, number) {
  return page.locator("article", { hasText: `Item${number}` }).waitFor({ timeout: 8_000 });
}

function presser(page) {
  return async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
}

async function chosen(page) {
  const names = await page.locator(".class.chosen > span:not(.tag)").allInnerTexts();
  return names;
}

/** Walks by arrow until a word is picked: what is picked is spoken. */
async function pickWord(page, press, word) {
  for (let steps = 0; steps < 60; steps += 1) {
    if ((await page.locator("[aria-live]").last().innerText()).trim() === word) return;
    await press("ArrowRight");
  }
  assert.fail(`${word} was not reached`);
}

/** Where a phrase of the note is on the screen. */
function rectOf(page, phrase) {
  return page.evaluate((phrase) => {
    for (const node of document.querySelector("[data-passage]").childNodes) {
      const at = node.nodeType === Node.TEXT_NODE ? node.data.indexOf(phrase) : -1;
      if (at < 0) continue;
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + phrase.length);
      const { x, y, width, height } = range.getBoundingClientRect();
      return { x, y, width, height };
    }
    throw new Error(`no ${phrase}`);
  }, phrase);
}

/** One list of places a step: fingers down, moved, …, up. */
function toucher(session) {
  return async (...steps) => {
    for (const [step, places] of steps.entries()) {
      await session.send("Input.dispatchTouchEvent", {
        type: step === 0 ? "touchStart" : "touchMove",
        touchPoints: places.map(([x, y], id) => ({ x, y, id })),
      });
    }
    await session.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  };
}

function drag(page, { x, y, width, height }) {
  return move(page, [x + 0.5, y + height / 2], [x + width - 0.5, y + height / 2]);
}

async function move(page, from, to) {
  await page.mouse.move(...from);
  await page.mouse.down();
  await page.mouse.move((from[0] + to[0]) / 2, (from[1] + to[1]) / 2);
  await page.mouse.move(...to);
  await page.mouse.up();
}

/** Places on the surface in percent of its width and height. */
async function surface(page, selector = ".scan[data-surface]") {
  const { x, y, width, height } = await page.locator(selector).boundingBox();
  return (across, down) => [x + (across / 100) * width, y + (down / 100) * height];
}

/** Lists of marks in an order of their own. */
function sorted(label) {
  const [name] = Object.keys(label).filter((key) => ["classes", "spans", "regions", "segments"].includes(key));
  return name === undefined ? label : { ...label, [name]: [...label[name]].map((one) => JSON.stringify(one)).sort() };
}
