// Proves that dist was built from these sources. Its size is a test: `test/size.test.mjs`.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(here, "dist");
const fresh = mkdtempSync(path.join(tmpdir(), "insitu-ui-"));
const problems = [];
try {
  execFileSync(process.execPath, [path.join(here, "build.mjs"), fresh], { stdio: "inherit" });
  const names = new Set([...readdirSync(dist), ...readdirSync(fresh)]);
  for (const name of [...names].sort()) {
    if (!readOrEmpty(dist, name).equals(readOrEmpty(fresh, name))) {
      problems.push(`dist/${name} differs from a fresh build: run \`npm run build\` and commit dist`);
    }
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log("dist is what its sources build");

function readOrEmpty(folder, name) {
  try {
    return readFileSync(path.join(folder, name));
  } catch (error) {
    if (error.code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}
