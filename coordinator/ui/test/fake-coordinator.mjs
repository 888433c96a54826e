// Serves the built page and one overview, for tests.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { FULL } from "./figures.mjs";

const DIST = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "dist");
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};
const CSP =
  "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; " +
  "require-trusted-types-for 'script'; trusted-types 'none'";

export class FakeCoordinator {
  /** `up`, or `away`: connections break. */
  mode = "up";

  constructor(overview) {
    this.overview = overview;
  }

  async start() {
    this.server = createServer(async (request, response) => {
      response.setHeader("content-security-policy", CSP);
      response.setHeader("x-content-type-options", "nosniff");
      const { pathname } = new URL(request.url, "http://coordinator");
      if (pathname === "/api/overview") {
        if (this.mode === "away") return request.socket.destroy();
        response.setHeader("content-type", "application/json");
        return response.end(JSON.stringify(this.overview));
      }
      const name = path.basename(pathname === "/" ? "index.html" : pathname);
      try {
        const content = await readFile(path.join(DIST, name));
        response.setHeader("content-type", TYPES[path.extname(name)] ?? "text/plain");
        response.end(content);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.address = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

// `node test/fake-coordinator.mjs` serves the page to look at.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log((await new FakeCoordinator(FULL).start()).address);
}
