// How an item looks. A field's kind decides.

import type { Field } from "../contract";
import { Passage } from "../text";
import { Pieces } from "./passage";
import { StillScan } from "./scan";
import { StillTraces } from "./traces";

export function Fields({ fields }: { fields: Field[] }) {
  const isLarge = ({ kind }: Field) => ["text", "image", "series"].includes(kind);
  const values = fields.filter((field) => !isLarge(field));
  return (
    <>
      {values.length > 0 && (
        <dl class="values">
          {values.map((field) => (
            <div key={field.title}>
              <dt>{field.title}</dt>
              <Value field={field} />
            </div>
          ))}
        </dl>
      )}
      {fields.filter(isLarge).map((field) => (
        <section class="text" key={field.title}>
          <h3 class="field-title">{field.title}</h3>
          <Large field={field} />
        </section>
      ))}
    </>
  );
}

function Large({ field }: { field: Field }) {
  if (field.kind === "image") return <StillScan field={field} label={null} differs={[]} />;
  if (field.kind === "series") return <StillTraces field={field} label={null} differs={[]} />;
  if (isMissing(field)) return <p class="missing">No text</p>;
  return (
    <p class="prose" dir="auto">
      <Pieces passage={new Passage(String(field.value))} />
    </p>
  );
}

function Value({ field }: { field: Field }) {
  if (isMissing(field)) return <dd class="missing">missing</dd>;
  return (
    <dd class={field.kind}>
      {String(field.value)} {field.unit !== "" && <span class="unit">{field.unit}</span>}
    </dd>
  );
}

function isMissing({ value }: Field): boolean {
  return value === null || value === "";
}
