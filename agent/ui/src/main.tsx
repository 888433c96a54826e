// The review page: one item at a time, decided from the keyboard, kept until the agent has it.

import { render } from "preact";
import * as assets from "./assets";
import * as deck from "./deck";
import { onKey } from "./keys";
import * as review from "./review";
import { session, start } from "./session";
import { seesQuality, show } from "./view";
import * as work from "./work";
import { App } from "./views/app";

document.addEventListener("keydown", (event) => {
  if (session.value.at === "signed-in") onKey(event);
});

start({
  opened(api, me) {
    // An administrator has nothing to see here.
    if (me.role === "admin") return location.replace("people.html");
    // A steward labels nothing, and others do not see the quality view.
    if (me.role === "steward") show("quality");
    else if (!seesQuality(me.role)) show("review");
    work.own(`${me.site}/${me.name}`);
    assets.open(api);
    deck.open(api);
  },
  forget() {
    deck.forget();
    assets.forget();
    review.forget();
  },
  left: work.forgetAll,
  settled: review.settled,
});

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
