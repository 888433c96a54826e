// The dashboard: one page of what the coordinator knows, read-only.

import { render } from "preact";
import { App } from "./app";
import { start } from "./poll";

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
start();
