import type { Agent, Alert, Facts, Site } from "../contract";
import { ago, count, integer, size } from "../words";
import { Scroll, Section } from "./section";

const ENGINES: Record<Facts["engine"], string> = {
  none: "none yet",
  onnx_runtime: "ONNX Runtime",
  tract: "tract (embedded)",
};

/** An agent that said hello within this time is in touch. */
const IN_TOUCH_MS = 120_000;

export function FleetSection(props: { sites: Site[]; alerts: Alert[]; now: Date }) {
  const { sites, alerts, now } = props;
  return (
    <Section
      title="Sites"
      lead="Agents dial in. Device facts are coarse buckets that no item can influence."
      empty={
        sites.length === 0 && (
          <>
            No site yet. <code>insitu-coordinator site add NAME</code> adds one,{" "}
            <code>insitu-coordinator token --site NAME</code> lets it enroll.
          </>
        )
      }
    >
      <Scroll label="Sites">
        <table>
          <thead>
            <tr>
              <th scope="col">Site</th>
              <th scope="col">Link</th>
              <th scope="col">Agent</th>
              <th scope="col">Engine</th>
              <th scope="col">Up</th>
              <th scope="col">Load per core</th>
              <th scope="col">Memory</th>
              <th scope="col">Disk</th>
              <th scope="col">Heat</th>
              <th scope="col" class="number">
                Releases
              </th>
              <th scope="col" class="number">
                Received
              </th>
            </tr>
          </thead>
          <tbody>
            {sites.map((site) => (
              <tr key={site.site}>
                <th scope="row">{site.site}</th>
                <td>
                  <LinkState site={site} now={now} />
                </td>
                <FactCells facts={latest(site)?.facts ?? null} />
                <td class="number">{integer(site.releases)}</td>
                <td class="number">{size(site.bytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {alerts.length > 0 && (
        <ul class="plain alerts">
          {alerts.map((alert) => (
            <li key={`${alert.site} ${alert.agent} ${alert.kind}`}>
              <strong>
                {alert.site}, agent {alert.agent}: {alert.kind}
              </strong>{" "}
              {count(alert.times, "time")}, last {ago(alert.last, now)}.
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

/** The agent of a site that was heard last. */
function latest(site: Site): Agent | undefined {
  return [...site.agents].sort((a, b) => heard(b) - heard(a))[0];
}

function heard({ last_seen }: Agent): number {
  return last_seen === null ? 0 : Date.parse(last_seen);
}

function LinkState({ site, now }: { site: Site; now: Date }) {
  if (site.revoked !== null) return <span class="link bad">revoked</span>;
  const agent = latest(site);
  if (agent === undefined) return <span class="link">not enrolled</span>;
  if (agent.last_seen === null) return <span class="link">enrolled, never called</span>;
  const inTouch = now.getTime() - heard(agent) < IN_TOUCH_MS;
  if (inTouch) return <span class="link good">in touch</span>;
  return <span class="link warn">last seen {ago(agent.last_seen, now)}</span>;
}

function FactCells({ facts }: { facts: Facts | null }) {
  if (facts === null) {
    return (
      <td colSpan={7} class="soft">
        nothing known yet
      </td>
    );
  }
  return (
    <>
      <td>{facts.version.join(".")}</td>
      <td>{ENGINES[facts.engine]}</td>
      <td>{facts.uptime_days === 0 ? "< 1 day" : count(facts.uptime_days, "day")}</td>
      <td>
        <Level value={facts.load_quarters / 4} max={1} text={String(facts.load_quarters / 4)} />
      </td>
      <td>
        <Level value={facts.memory_tenths} max={10} text={`${facts.memory_tenths * 10} %`} />
      </td>
      <td>
        <Level value={facts.disk_tenths} max={10} text={`${facts.disk_tenths * 10} %`} />
      </td>
      <td>{facts.temperature_tens === null ? "–" : `${facts.temperature_tens * 10} °C`}</td>
    </>
  );
}

/** From here on a level deserves a look. */
const FULL = 0.9;

function Level({ value, max, text }: { value: number; max: number; text: string }) {
  const share = Math.min(1, value / max);
  return (
    <span class={share >= FULL ? "level full" : "level"}>
      <span class="bar" aria-hidden="true">
        <span style={{ width: `${share * 100}%` }} />
      </span>
      {text}
    </span>
  );
}
