// The item on the table: its values, and the field that is marked, where marks are made.

import type { Card, Field, Project, Task } from "../contract";
import { taskOf } from "../label";
import { Fields } from "./fields";
import { WorkPassage } from "./passage";
import { Readings } from "./readings";
import { WorkScan } from "./scan";
import { Tools } from "./tools";
import { WorkTraces } from "./traces";

export function ItemContent({ card, project }: { card: Card; project: Project }) {
  const task = taskOf(project);
  const marked = "field" in task ? task.field : null;
  const compared = task.kind === "preference" ? task.fields : [];
  const own = ({ name }: Field) => name !== undefined && (name === marked || compared.includes(name));
  return (
    <>
      <Fields fields={card.fields.filter((field) => !own(field))} />
      {compared.length > 0 && (
        <div class="pair">
          <Fields fields={card.fields.filter(own)} />
        </div>
      )}
      {marked !== null && card.fields.filter(own).map((field) => <Marked key={field.name} field={field} task={task} />)}
      {(card.readings?.length ?? 0) > 0 && <Readings card={card} project={project} />}
    </>
  );
}

function Marked({ field, task }: { field: Field; task: Task }) {
  return (
    <section class="marked" aria-label={field.title}>
      <h3 class="field-title">{field.title}</h3>
      {field.value === null ? (
        <p class="missing">missing</p>
      ) : (
        <>
          <Tools />
          {task.kind === "spans" && <WorkPassage title={field.title} />}
          {task.kind === "regions" && <WorkScan field={field} />}
          {task.kind === "segments" && <WorkTraces field={field} />}
        </>
      )}
    </section>
  );
}
