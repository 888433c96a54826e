// The pages are tested under the very policy that the agent sends.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CSP } from "./fake-agent.mjs";

test("the small agent of these tests has the real agent's content security policy", () => {
  const source = readFileSync(new URL("../../src/review/http.rs", import.meta.url), "utf8");
  const [, literal] = /const POLICY: &str = "([^"]*)"/.exec(source);
  const directives = (policy) => policy.split(";").map((part) => part.trim()).sort();
  assert.deepEqual(directives(CSP), directives(literal.replace(/\\\n\s*/g, "")));
});
