// Segments and points of a recording: by keyboard and by pointer, and what the agent gets.

import assert from "node:assert/strict";
import { describeKind, move, surface } from "./kind-steps.mjs";
import { saved } from "./steps.mjs";

describeKind("segments", (check) => {
  check("keyboard: cycle, edges, relabel, new segment, new point, channel", async ({ agent, page, press }) => {
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

  check("the pointer: a drag on a lane, an edge, a click for a point, the time axis for all channels", async ({ agent, page, press }) => {
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

  check("zooms by wheel and key, and pans by arrow", async ({ page, press }) => {
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
    "a recording that does not come says so, and comes when asked again",
    async ({ agent, page }) => {
      await page.getByText("Two leads is not here").waitFor();
      agent.files.set("ecg", { type: "application/json", body: JSON.stringify({ clock: { start: 0, step: 1, unit: "s" }, channels: [{ name: "I", unit: "", values: [1, null, 3] }] }) });
      await page.getByRole("button", { name: "Try again" }).click();
      await page.locator(".lanes canvas").waitFor();
    },
    { samples: 0 },
  );
});
