// Which kind of label the project on the table asks for.

import type { Kind } from "../command";
import type { Task } from "../contract";
import * as deck from "../deck";
import { taskOf } from "../label";
import { manyClasses, oneClass, preference } from "./classes";
import { regions } from "./regions";
import { segments } from "./segments";
import { spans } from "./spans";

const KINDS: Record<Task["kind"], Kind> = {
  class: oneClass,
  classes: manyClasses,
  spans,
  regions,
  segments,
  preference,
};

export function currentKind(): Kind {
  return KINDS[taskOf(deck.project.value).kind] ?? oneClass;
}
