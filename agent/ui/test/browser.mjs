// Debian's chromium under playwright-core, for the tests of this folder.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Why the browser tests cannot run here, or false. */
export const skip = existsSync(CHROMIUM)
  ? false
  : `no chromium at ${CHROMIUM}: install it (apt-get install chromium) or set CHROMIUM`;

export function launch() {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Opens a page that remembers every complaint, and every request to anybody but `address`. */
export async function openPage(browser, address, options = {}, prepare = async () => {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  await prepare(context);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    // A broken connection or a refusal is reported by the browser itself; tests cause them on purpose.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) {
      complaints.push(message.text());
    }
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    // An image that the page fetched before is a blob of its own.
    if (!request.url().replace(/^blob:/, "").startsWith(`${address}/`)) complaints.push(`asked ${request.url()}`);
  });
  await page.goto(`${address}/`);
  return { context, page, complaints };
}
