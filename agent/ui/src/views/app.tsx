import { useSignalEffect } from "@preact/signals";
import { project } from "../deck";
import { announcement } from "../say";
import { session } from "../session";
import { seesQuality, view } from "../view";
import { Guideline, Help } from "./dialogs";
import { Header } from "./header";
import { Banners } from "./notices";
import { Quality } from "./quality";
import { Renewal, SignIn } from "./sign-in";
import { Table } from "./table";

export function App() {
  useSignalEffect(() => {
    const shown = project.value;
    document.title = shown
      ? `${shown.done}/${shown.total} · ${shown.title} · Insitu review`
      : "Insitu review";
  });
  const state = session.value;
  if (state.at === "signed-out" || state.at === "checking") return <SignIn state={state} />;
  return (
    <>
      {view.value === "review" && (
        <a class="jump" href="#decide">
          To the decision
        </a>
      )}
      <Header me={state.me} />
      <Banners />
      <main>
        {view.value === "quality" && seesQuality(state.me.role) ? <Quality /> : <Table />}
      </main>
      <p class="unseen" role="status" aria-live="polite">
        {announcement}
      </p>
      <Guideline />
      <Help />
      {state.at === "expired" && <Renewal name={state.me.name} />}
    </>
  );
}
