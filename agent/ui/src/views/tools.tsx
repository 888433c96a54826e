// The kind's commands as buttons above the item: the upper row makes marks and zooms, the lower one changes
// what is selected. A button stays where it is when it cannot be used.

import type { Command } from "../command";
import { commands, usable } from "../keys";
import { Caps } from "./dialogs";

export function Tools() {
  const tools = commands().filter(({ tool }) => tool);
  return (
    <div class="tools" role="group" aria-label="Tools">
      <p>{tools.filter(({ onSelection }) => !onSelection).map(button)}</p>
      <p>{tools.filter(({ onSelection }) => onSelection).map(button)}</p>
    </div>
  );
}

function button(command: Command) {
  return (
    <button
      key={command.caps.join()}
      type="button"
      class="tool"
      title={command.title}
      disabled={!usable(command)}
      onClick={() => {
        command.run();
      }}
    >
      {command.tool} <Caps caps={command.caps} />
    </button>
  );
}
