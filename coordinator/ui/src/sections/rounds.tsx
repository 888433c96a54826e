import type { Round, Run } from "../contract";
import { figure, shortDigest } from "../words";
import { AccuracyChart } from "./accuracy";
import { Scroll, Section } from "./section";

/** Runs shown in full, the newest first. */
const RUNS_SHOWN = 3;

export function RoundsSection({ runs }: { runs: Run[] }) {
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
        <RunPart key={run.run} run={run} />
      ))}
      {runs.length > RUNS_SHOWN && (
        <p class="soft">
          {runs.length - RUNS_SHOWN} older: <code>insitu-coordinator round list</code>.
        </p>
      )}
    </Section>
  );
}

function RunPart({ run }: { run: Run }) {
  const sites = [...new Set(run.rounds.flatMap((round) => round.sites.map(({ site }) => site)))];
  const evaluated = [{ round: 0, evaluation: run.start }, ...run.rounds].filter(
    ({ evaluation }) => evaluation !== null,
  );
  return (
    <div class={evaluated.length > 0 ? "run with-chart" : "run"}>
      <Scroll label={`Run ${shortDigest(run.run)}`}>
        <table>
          <caption>
            Run <code>{shortDigest(run.run)}</code> <span class={`state ${run.state}`}>{run.state}</span>
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
