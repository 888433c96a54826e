// The quality view is a file of its own, fetched when somebody who may see it opens it.

import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";

const page = signal<ComponentType | null>(null);
const failed = signal(false);

export function Quality() {
  useEffect(() => {
    import("../quality/quality").then(
      ({ QualityPage }) => {
        page.value = () => <QualityPage />;
      },
      () => {
        failed.value = true;
      },
    );
  }, []);
  const Page = page.value;
  if (Page !== null) return <Page />;
  return (
    <p class="state" role="status">
      {failed.value ? "The agent does not answer. Reload the page to try again." : "Fetching the figures…"}
    </p>
  );
}
