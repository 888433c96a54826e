// Boxes and polygons over an image: by keyboard, by pointer, by touch, and what the agent gets.

import assert from "node:assert/strict";
import { card, describeKind, move, surface, toucher } from "./kind-steps.mjs";
import { toSettle } from "./kinds-data.mjs";
import { axe, picture, saved, TABLET } from "./steps.mjs";

describeKind("regions", (check) => {
  check("keyboard: cycle, move, corner, relabel, new box, remove", async ({ agent, page, press }) => {
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

  check("a polygon by keyboard, corner by corner", async ({ agent, page, press }) => {
    await press("x", "p", "Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter", "Backspace", "p");
    await page.getByText("3 corners or more").waitFor();
    await press("Enter", "p", "3", "Enter");
    await saved(page);
    const [{ class: index, polygon }] = agent.arrived[0].label.regions;
    assert.equal(index, 2);
    assert.deepEqual(polygon.map(([x, y]) => [Math.round(x * 6.4), Math.round(y * 4.8)]), [[320, 240], [330, 240], [330, 250]]);
  });

  check(
    "axe finds nothing while a polygon is under way",
    async ({ page, press }) => {
      await press("p", "Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Shift+ArrowDown");
      await axe(page, "two corners");
      await picture(page, "regions-drawing");
    },
    { options: { bypassCSP: true } },
  );

  check("the pointer draws, moves, takes a handle and sets corners", async ({ agent, page, press }) => {
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

  check("the wheel zooms where it is, and a drag still lands under the pointer", async ({ agent, page, press }) => {
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

  check("images are fetched ahead, with the token, each once", async ({ agent, page, press }) => {
    await page.waitForFunction(() => document.querySelector(".scan image") !== null);
    await press("a");
    await card(page, 2);
    assert.ok(await page.evaluate(() => document.querySelector(".scan image") !== null), "there at once");
    await saved(page);
    assert.ok(agent.fetched.length >= 10);
    assert.equal(new Set(agent.fetched).size, agent.fetched.length);
  });

  check(
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

  const half = (polygon) => ({ label: { regions: [{ class: 0, polygon }] } });
  const settle = { ...toSettle("regions"), readings: [half([[0, 0], [40, 0], [0, 40]]), half([[40, 0], [40, 40], [0, 40]])] };
  check(
    "polygons of two readers are compared by their shapes, not by the boxes around them",
    async ({ page }) => {
      await page.locator(".reading").nth(1).waitFor();
      assert.equal(await page.locator(".reading").getByText("only here").count(), 2);
    },
    { token: "eve-token", change: () => settle },
  );
});
