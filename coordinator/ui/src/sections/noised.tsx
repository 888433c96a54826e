import { figure } from "../words";

/** A noised count with its deviation; a dash where none was answered. */
export function Noised({ count, sd }: { count: number | null; sd: number | null }) {
  if (count === null) return <span class="soft">–</span>;
  return (
    <>
      {figure(count, 0)} {sd !== null && <span class="soft">± {figure(sd, 0)}</span>}
    </>
  );
}
