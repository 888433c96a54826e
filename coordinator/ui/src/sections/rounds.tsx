import type { Bundle, Round, Run } from "../contract";
import { count, figure, shortDigest } from "../words";
import { AccuracyChart, type Evaluated } from "./accuracy";
import { Scroll, Section } from "./section";

/** Runs shown in full, the newest first. */
const RUNS_SHOWN = 3;

export function RoundsSection({ runs, bundles }: { runs: Run[]; bundles: Bundle[] }) {
  const newestFirst = [...runs].reverse();
  return (
    <Section
      title="Training rounds"
      lead="Each site sends one clipped, noised update of the head per round; the coordinator averages them and sees none of the data behind them."
      empty={
        runs.length === 0 && (
          <>
            No round yet. <code>insitu-coordinator round start --project P</code> begins one.
          </>
        )
      }
    >
      {newestFirst.slice(0, RUNS_SHOWN).map((run) => (
        <RunPart key={run.run} run={run} bundles={bundles} />
      ))}
      {runs.length > RUNS_SHOWN && (
        <p class="soft">
          {runs.length - RUNS_SHOWN} older: <code>insitu-coordinator round list</code>.
        </p>
      )}
    </Section>
  );
}

function RunPart({ run, bundles }: { run: Run; bundles: Bundle[] }) {
  const sites = [...new Set(run.rounds.flatMap((round) => round.sites.map(({ site }) => site)))];
  const evaluated = evaluations(run, bundles);
  return (
    <div class={evaluated.length > 0 ? "run with-chart" : "run"}>
      <Scroll label={`Run ${shortDigest(run.run)}`}>
        <table>
          <caption>
            Run <code>{shortDigest(run.run)}</code> <span class={`state ${run.state}`}>{run.state}</span>{" "}
            <span class="soft">
              {run.reason ?? `${run.rounds.length} of ${count(run.planned, "round")}`}
            </span>
          </caption>
          <thead>
            <tr>
              <th scope="col">Round</th>
              {sites.map((site) => (
                <th scope="col" key={site}>
                  {site}
                </th>
              ))}
              <th scope="col" class="number">
                Norm of the mean
              </th>
              <th scope="col">Candidate</th>
            </tr>
          </thead>
          <tbody>
            {run.rounds.map((round) => (
              <RoundRow key={round.round} round={round} sites={sites} />
            ))}
          </tbody>
        </table>
      </Scroll>
      {evaluated.length > 0 && <AccuracyChart rounds={evaluated} />}
    </div>
  );
}

/** What operators attached to the bundle a run started from (round 0) and to its candidates. */
function evaluations(run: Run, bundles: Bundle[]): Evaluated[] {
  const candidates = run.rounds.map(({ round, bundle }) => ({ round, bundle }));
  return [{ round: 0, bundle: run.start }, ...candidates].flatMap(({ round, bundle }) => {
    const attached = bundles.find((entry) => entry.bundle === bundle)?.evaluations ?? [];
    return attached.length === 0 ? [] : [{ round, attached }];
  });
}

function RoundRow({ round, sites }: { round: Round; sites: string[] }) {
  return (
    <tr>
      <th scope="row">{round.round}</th>
      {sites.map((site) => (
        <td key={site}>
          <Part state={round.sites.find((entry) => entry.site === site)?.state} />
        </td>
      ))}
      <td class="number">{round.norm === null ? "–" : figure(round.norm, 3)}</td>
      <td>{round.bundle === null ? "–" : <code>{shortDigest(round.bundle)}</code>}</td>
    </tr>
  );
}

function Part({ state }: { state: Round["sites"][number]["state"] | undefined }) {
  if (state === undefined) return <span class="soft">–</span>;
  return <span class={`part ${state}`}>{state}</span>;
}
