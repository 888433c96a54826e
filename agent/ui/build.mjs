// Builds the page into the folder named on the command line: `node build.mjs dist`.
// File names are fixed, because the binary embeds them by name. The same sources give the same bytes.

import { build } from "esbuild";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2] ?? path.join(here, "dist"));

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });

const options = {
  absWorkingDir: here,
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome109", "firefox115", "safari16"],
  legalComments: "none", // NOTICE carries the licences in full
  charset: "utf8",
  metafile: true,
  logLevel: "warning",
};
const { metafile } = await build({
  ...options,
  entryPoints: [
    { in: "src/main.tsx", out: "app" },
    { in: "src/style.css", out: "app" },
  ],
  // `quality.js` is fetched by those who look at it; `chunk.js` is what it shares with the page.
  splitting: true,
  chunkNames: "[name]",
});
// Pages of their own, which share nothing with the other.
await build({
  ...options,
  entryPoints: [
    { in: "src/sign-in/main.ts", out: "sign-in" },
    { in: "src/pages/erase.tsx", out: "erase" },
    { in: "src/pages/item.tsx", out: "item" },
    { in: "src/pages/label-studio.tsx", out: "label-studio" },
    { in: "src/pages/people.tsx", out: "people" },
    { in: "src/pages/style.css", out: "pages" },
  ],
});

for (const file of ["index.html", "sign-in.html", "erase.html", "item.html", "label-studio.html", "people.html", "favicon.svg"]) {
  await copyFile(path.join(here, "static", file), path.join(out, file));
}
await writeFile(path.join(out, "NOTICE"), await notice(Object.keys(metafile.inputs)));

/** The licences of the packages that the bundle really contains, in order of name. */
async function notice(inputs) {
  const shipped = new Set();
  for (const input of inputs) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (name) shipped.add(name);
  }
  const sections = [];
  for (const name of [...shipped].sort()) {
    const folder = path.join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
    const text = await readFile(path.join(folder, "LICENSE"), "utf8");
    sections.push(`${name} ${version} (${license})\n\n${text.trim()}\n`);
  }
  return `The scripts contain the following packages.\n\n${sections.join(`\n${"-".repeat(78)}\n\n`)}`;
}
