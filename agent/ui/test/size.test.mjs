// The committed bundle stays small: what the page loads before the first card is shown.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const DIST = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "dist");
/** Compressed script of the review page. */
const SCRIPT_BYTES_MAX = 40 * 1024;
/** Compressed script of each page for stewards and administrators, and their style. */
const PAGE_BYTES_MAX = 14 * 1024;
/** Compressed, of everything else: the scripts of the quality view and of the sign-in page, and all style. */
const REST_BYTES_MAX = 16 * 1024;

const size = (name) => gzipSync(readFileSync(path.join(DIST, name)), { level: 9 }).length;

test("the script of the review page stays under 40 KB, compressed", () => {
  const script = size("app.js") + size("chunk.js");
  const rest = size("quality.js") + size("sign-in.js") + size("app.css");
  console.log(`review page: ${script} bytes of script; quality view, sign-in page and style: ${rest} bytes, compressed`);
  assert.ok(script <= SCRIPT_BYTES_MAX, `${script} bytes of script, ${SCRIPT_BYTES_MAX} allowed`);
  assert.ok(rest <= REST_BYTES_MAX, `${rest} bytes of everything else, ${REST_BYTES_MAX} allowed`);
});

test("so do the pages for stewards and administrators", () => {
  for (const name of ["erase.js", "item.js", "label-studio.js", "people.js"]) {
    const bytes = size(name) + size("pages.css");
    console.log(`${name} and its style: ${bytes} bytes, compressed`);
    assert.ok(bytes <= PAGE_BYTES_MAX, `${name} and its style: ${bytes} bytes, ${PAGE_BYTES_MAX} allowed`);
  }
});

test("no script is left out of that sum", () => {
  const scripts = readdirSync(DIST).filter((name) => name.endsWith(".js"));
  assert.deepEqual(scripts.sort(), ["app.js", "chunk.js", "erase.js", "item.js", "label-studio.js", "people.js", "quality.js", "sign-in.js"]);
});
