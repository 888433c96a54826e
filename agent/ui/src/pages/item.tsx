// One item for who may see originals: redacted until they hold a key or press a button, for a reason.

import { signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Field } from "../contract";
import * as originals from "./originals";
import { ask, enter, problem, say, Shell } from "./shell";

const NAME = /^[0-9a-f]{32}$/;
/** Longest reason, bytes; the agent measures it itself. */
const REASON_MAX = 500;

interface Looked {
  item: string;
  project: string;
  title: string;
  fields: Field[];
}

const looked = signal<Looked | null>(null);
const reason = signal("");

function Page() {
  return (
    <Shell
      title="Originals"
      links={
        <>
          <a class="link" href="/#quality">
            Quality
          </a>
          <a class="link" href="label-studio.html">
            Label Studio
          </a>
          <a class="link" href="erase.html">
            Erase
          </a>
        </>
      }
      allowed={({ reveals }) => reveals === true}
      refusal="Only the site’s steward sees what surrogates stand for. Ask the steward, with the item’s name."
    >
      <Find />
      <p class="problem" role="alert">
        {problem}
      </p>
      {looked.value !== null && <Item looked={looked.value} />}
    </Shell>
  );
}

function Find() {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    void open();
    addEventListener("hashchange", open);
    return () => removeEventListener("hashchange", open);
  }, []);
  async function open() {
    const name = location.hash.slice(1);
    originals.hide();
    looked.value = null;
    reason.value = "";
    if (input.current !== null) input.current.value = name;
    if (name === "") return input.current?.focus();
    if (!NAME.test(name)) {
      problem.value = "An item’s name here has 32 digits, 0 to 9 and a to f.";
      return input.current?.focus();
    }
    const found = (await ask("GET", `/api/items/${name}`)) as Looked | null;
    if (location.hash.slice(1) === name) looked.value = found;
  }
  return (
    <form
      class="find"
      onSubmit={(event) => {
        event.preventDefault();
        const name = input.current?.value.trim().toLowerCase() ?? "";
        if (name === location.hash.slice(1)) void open();
        else location.hash = name;
      }}
    >
      <label for="name">The item’s name</label>
      <input id="name" ref={input} autocomplete="off" spellcheck={false} required aria-describedby="name-note" />
      <p class="note" id="name-note">
        As the audit log and exports have it. That you look at the item is recorded.
      </p>
      <button type="submit">Look at it</button>
    </form>
  );
}

function Item({ looked: { title, fields } }: { looked: Looked }) {
  const article = useRef<HTMLElement>(null);
  useEffect(() => article.current?.focus(), []);
  const shown = originals.revealed.value;
  const isText = ({ kind }: Field) => kind === "text" || kind === "category";
  return (
    <div class="looked">
      <article ref={article} tabIndex={-1} aria-labelledby="item-title" class="panel">
        <h2 id="item-title">Item of {title}</h2>
        {fields.map((field) => (
          <section key={field.name}>
            <h3 class="field-title">{field.title}</h3>
            {isText(field) ? <Text field={field} /> : <p>{plain(field)}</p>}
          </section>
        ))}
        {shown !== null && shown.elsewhere.length > 0 && (
          <section>
            <h3 class="field-title">In no text above</h3>
            <ul>
              {shown.elsewhere.map((piece, index) => (
                <li key={index}>
                  {piece.text ?? "unknown surrogate"} {piece.kind !== undefined && `(${piece.kind})`} stands for{" "}
                  <Original piece={piece} />
                </li>
              ))}
            </ul>
          </section>
        )}
      </article>
      <Ask />
    </div>
  );
}

function Text({ field }: { field: Field }) {
  const pieces = originals.revealed.value?.fields.find(({ name }) => name === field.name)?.pieces;
  if (field.value === null || field.value === "") return <p class="missing">missing</p>;
  return (
    <p class="prose" dir="auto">
      {pieces === undefined
        ? String(field.value)
        : pieces.map((piece, index) =>
            piece.originals === undefined ? piece.text : <Original key={index} piece={piece} />,
          )}
    </p>
  );
}

function Original({ piece: { kind, originals } }: { piece: originals.Piece }) {
  return (
    <mark class="original">
      {kind !== undefined && <span class="unseen">{kind}: </span>}
      {originals?.join(" or ")}
    </mark>
  );
}

function plain({ kind, value, unit }: Field): string {
  if (value === null) return "missing";
  return typeof value === "object" ? `The ${kind} is not shown here.` : `${value} ${unit}`;
}

function Ask() {
  const shown = originals.revealed.value;
  return (
    <form
      class="panel ask"
      aria-label="Show originals"
      onSubmit={(event) => {
        event.preventDefault();
        if (shown === null) void show();
        else originals.hide();
      }}
    >
      <label for="reason">Why they must be seen</label>
      <input
        id="reason"
        maxLength={REASON_MAX}
        autocomplete="off"
        required
        aria-describedby="reason-note"
        value={reason}
        onInput={(event) => {
          reason.value = event.currentTarget.value;
        }}
      />
      <p class="note" id="reason-note">
        Goes into the vault’s log with your name. Each showing is recorded.
      </p>
      <button type="submit" class={shown === null ? "primary" : ""}>
        {shown === null ? "Show originals" : "Hide originals"}
      </button>
      <p class="note">
        Or hold <kbd>R</kbd> outside of a field: they are hidden when you let go. At the latest they are after a minute,
        or when you look at another window.
      </p>
      {shown !== null && <p role="status">{inWords(shown.found)}</p>}
    </form>
  );
}

function inWords(found: number): string {
  if (found === 0) return "No surrogate of this item was kept. Masks such as [NAME] have no way back.";
  return found === 1 ? "One original is shown." : `${found} originals are shown.`;
}

async function show(): Promise<void> {
  const now = looked.value;
  if (now === null) return;
  if (reason.value.trim() === "") {
    document.getElementById("reason")?.focus();
    return say("Say first why they must be seen.");
  }
  await originals.show(now.item, reason.value);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    originals.hide();
    document.querySelector("article")?.focus();
  }
  const isR = event.key.toLowerCase() === "r" && !event.ctrlKey && !event.altKey && !event.metaKey;
  const typing = event.target instanceof Element && event.target.closest("input") !== null;
  if (!isR || typing || event.repeat || localStorage.getItem("insitu.letters") === "off") return;
  event.preventDefault();
  if (originals.revealed.value === null) void show();
});
document.addEventListener("keyup", (event) => {
  const typing = event.target instanceof Element && event.target.closest("input") !== null;
  if (event.key.toLowerCase() === "r" && !typing) originals.hide();
});

void enter();
const root = document.getElementById("app");
if (root !== null) render(<Page />, root);
