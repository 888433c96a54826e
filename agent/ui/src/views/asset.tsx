// A field whose value stands behind a url: shown once it is here, with what went wrong if it does not come.

import type { ComponentChildren } from "preact";
import { assetOf, retry, type Asset } from "../assets";
import type { Field, Reference } from "../contract";

interface Props {
  field: Field;
  children: (asset: Exclude<Asset, { at: "loading" | "failed" }>) => ComponentChildren;
}

export function WithAsset({ field, children }: Props) {
  const reference = referenceOf(field);
  if (reference === null) return <p class="missing">missing</p>;
  const asset = assetOf(reference, field.kind).value;
  if (asset.at === "loading") {
    return (
      <p class="loading" role="status">
        Fetching {field.title}…
      </p>
    );
  }
  if (asset.at === "failed") {
    return (
      <p class="loading" role="alert">
        {field.title} is not here: {asset.message}.{" "}
        <button type="button" onClick={() => retry(reference, field.kind)}>
          Try again
        </button>
      </p>
    );
  }
  return <>{children(asset)}</>;
}

export function referenceOf({ value }: Field): Reference | null {
  return typeof value === "object" ? value : null;
}
