import { useEffect, useRef } from "preact/hooks";
import { renewalProblem, signIn, signOut, type State } from "../session";
import { unconfirmed } from "../unconfirmed";
import { Mark } from "./mark";
import { Modal } from "./modal";

export function SignIn({ state }: { state: Extract<State, { at: "signed-out" | "checking" }> }) {
  const unreachable = state.at === "checking" && state.unreachable;
  return (
    <main class="sign-in">
      <h1>
        <Mark /> Insitu review
      </h1>
      <p>Items stay on this site’s own machines.</p>
      {unreachable ? (
        <p class="state" role="status">
          The agent does not answer. Trying again every few seconds; decisions that were not saved yet
          are kept on this machine.
        </p>
      ) : (
        <Ways
          busy={state.at === "checking"}
          problem={state.at === "signed-out" ? state.reason : ""}
        />
      )}
    </main>
  );
}

/** Asked over the page when the agent no longer takes the token; what was on the page stays there. */
export function Renewal({ name }: { name: string }) {
  const waiting = unconfirmed.value.length;
  return (
    <Modal title="Your session has ended" onClose={null}>
      <p>
        Sign in again as {name} to go on where you are.{" "}
        {waiting > 0 && `${count(waiting)} kept on this machine and will be sent then.`}
      </p>
      <Ways again busy={false} problem={renewalProblem.value} />
      <p>
        <button type="button" class="quiet" onClick={signOut}>
          Sign out instead
        </button>
      </p>
    </Modal>
  );
}

/** With a name on the page for that, which leaves this one as it is; or with a token, here. */
function Ways({ again, busy, problem }: { again?: boolean; busy: boolean; problem: string }) {
  return (
    <>
      <p>
        <a class="button primary" href={again ? "sign-in.html#again" : "sign-in.html"} target={again ? "_blank" : undefined}>
          Sign in with your name
        </a>
      </p>
      <details open={problem !== ""}>
        <summary>Use a token</summary>
        <TokenForm busy={busy} problem={problem} />
      </details>
    </>
  );
}

function TokenForm({ busy, problem }: { busy: boolean; problem: string }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (problem !== "") input.current?.focus();
  }, [problem]);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const token = input.current?.value.trim() ?? "";
    if (token !== "") void signIn(token);
  };
  return (
    <form onSubmit={submit}>
      <label for="token">Your token</label>
      <input
        id="token"
        ref={input}
        type="password"
        autocomplete="off"
        spellcheck={false}
        required
        aria-describedby="token-note"
        aria-invalid={problem !== ""}
      />
      <p id="token-note" class="note">
        Kept in this tab only, until you close it.
      </p>
      <p class="problem" role="alert">
        {problem}
      </p>
      <button type="submit" class="primary" disabled={busy}>
        {busy ? "Signing in…" : "Sign in"}
      </button>
    </form>
  );
}

function count(waiting: number): string {
  return waiting === 1 ? "One unsaved decision is" : `${waiting} unsaved decisions are`;
}
