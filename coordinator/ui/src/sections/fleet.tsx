import type { Device, Site } from "../contract";
import { ago, count, integer } from "../words";
import { Scroll, Section } from "./section";

const ENGINES: Record<Device["engine"], string> = {
  none: "none yet",
  onnx_runtime: "ONNX Runtime",
  tract: "tract (embedded)",
};

export function FleetSection({ sites, now }: { sites: Site[]; now: Date }) {
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
            </tr>
          </thead>
          <tbody>
            {sites.map((site) => (
              <tr key={site.site}>
                <th scope="row">{site.site}</th>
                <td>
                  <LinkState site={site} now={now} />
                </td>
                <DeviceCells device={site.device} />
                <td class="number">{integer(site.releases)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}

function LinkState({ site, now }: { site: Site; now: Date }) {
  if (site.revoked) return <span class="link bad">revoked</span>;
  if (site.connected) return <span class="link good">connected</span>;
  if (site.last_seen === null) return <span class="link">never called</span>;
  return <span class="link warn">last seen {ago(site.last_seen, now)}</span>;
}

function DeviceCells({ device }: { device: Device | null }) {
  if (device === null) {
    return (
      <td colSpan={7} class="soft">
        nothing known yet
      </td>
    );
  }
  return (
    <>
      <td>{device.version}</td>
      <td>{ENGINES[device.engine]}</td>
      <td>{device.uptime_days === 0 ? "< 1 day" : count(device.uptime_days, "day")}</td>
      <td>
        <Level value={device.load_quarters / 4} max={1} text={String(device.load_quarters / 4)} />
      </td>
      <td>
        <Level value={device.memory_tenths} max={10} text={`${device.memory_tenths * 10} %`} />
      </td>
      <td>
        <Level value={device.disk_tenths} max={10} text={`${device.disk_tenths * 10} %`} />
      </td>
      <td>{device.temperature_tens === null ? "–" : `${device.temperature_tens * 10} °C`}</td>
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
