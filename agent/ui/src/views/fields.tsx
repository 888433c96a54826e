// How an item looks. A field's kind decides; images and series join here as further kinds.

import type { Field } from "../contract";

/** A redacted value, as the agent writes it: `[NAME]`, or `[NAME:0123456789abcdef]` with a hash. */
const MASK = /(\[[A-Z][A-Z_]*(?::[0-9a-f]{16})?\])/;
/** Enough of a hash to tell two people of one text apart. */
const HASH_CHARS = 4;

export function Fields({ fields }: { fields: Field[] }) {
  const texts = fields.filter(({ kind }) => kind === "text");
  const values = fields.filter(({ kind }) => kind !== "text");
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
      {texts.map((field) => (
        <section class="text" key={field.title}>
          <h3>{field.title}</h3>
          {isMissing(field) ? (
            <p class="missing">No text</p>
          ) : (
            <p class="prose">
              <Masked text={String(field.value)} />
            </p>
          )}
        </section>
      ))}
    </>
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

function Masked({ text }: { text: string }) {
  // `split` with a group keeps the masks, at the odd places.
  return (
    <>
      {text.split(MASK).map((part, index) =>
        index % 2 === 0 ? (
          part
        ) : (
          <span class="mask" key={index}>
            {maskText(part)}
          </span>
        ),
      )}
    </>
  );
}

/** `[MEDICAL_RECORD:0123…]` as `medical record 0123`. */
function maskText(mask: string): string {
  const [kind = "", hash = ""] = mask.slice(1, -1).split(":");
  return `${kind.toLowerCase().replaceAll("_", " ")} ${hash.slice(0, HASH_CHARS)}`.trimEnd();
}

function isMissing({ value }: Field): boolean {
  return value === null || value === "";
}
