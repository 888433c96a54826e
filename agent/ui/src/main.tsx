// The review page: one item at a time, decided from the keyboard, kept until the agent has it.

import { render } from "preact";
import * as deck from "./deck";
import { onKey } from "./keys";
import * as review from "./review";
import { session, start } from "./session";
import { App } from "./views/app";

document.addEventListener("keydown", (event) => {
  if (session.value.at === "signed-in") onKey(event);
});

start({
  opened: deck.open,
  forget() {
    deck.forget();
    review.forget();
  },
  settled: review.settled,
});

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
