import type { Campaign, CampaignSite } from "../contract";
import { Noised } from "./noised";
import { Scroll, Section } from "./section";

export function CampaignsSection({ campaigns }: { campaigns: Campaign[] }) {
  return (
    <Section
      title="Campaigns"
      lead="Targeted requests for labels. Sites match locally and answer once, at the closing time, whether or not anything matched; counts are noised, ± one deviation."
      empty={
        campaigns.length === 0 && (
          <>
            No campaign yet. <code>insitu-coordinator campaign create --worst-slice</code> asks for the
            labels that would help most.
          </>
        )
      }
    >
      {[...campaigns].reverse().map((campaign) => (
        <CampaignPart key={campaign.campaign} campaign={campaign} />
      ))}
    </Section>
  );
}

function CampaignPart({ campaign }: { campaign: Campaign }) {
  const most = Math.max(...campaign.sites.map(({ matched }) => matched ?? 0), 1);
  return (
    <div class="campaign">
      <h4>
        {campaign.title} <span class={`state ${campaign.state}`}>{campaign.state}</span>
      </h4>
      <p class="soft">{campaign.selector}</p>
      <Scroll label={campaign.title}>
        <table>
          <thead>
            <tr>
              <th scope="col">Site</th>
              <th scope="col">
                <span class="swatch" /> kept <span class="swatch second" /> changed
              </th>
              <th scope="col" class="number">
                Matched
              </th>
              <th scope="col" class="number">
                Waiting
              </th>
              <th scope="col" class="number">
                Kept
              </th>
              <th scope="col" class="number">
                Changed
              </th>
            </tr>
          </thead>
          <tbody>
            {campaign.sites.map((site) => (
              <SiteRow key={site.site} site={site} most={most} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </div>
  );
}

function SiteRow({ site, most }: { site: CampaignSite; most: number }) {
  if (!site.answered) {
    return (
      <tr>
        <th scope="row">{site.site}</th>
        <td colSpan={5} class="soft">
          has not answered
        </td>
      </tr>
    );
  }
  const width = (count: number | null) => `${(100 * Math.max(0, count ?? 0)) / most}%`;
  return (
    <tr>
      <th scope="row">{site.site}</th>
      <td class="wide">
        <span class="bar" aria-hidden="true">
          <span style={{ width: width(site.kept) }} />
          <span class="second" style={{ width: width(site.changed) }} />
        </span>
      </td>
      <td class="number">
        <Noised count={site.matched} sd={site.sd === null ? null : site.sd * Math.sqrt(3)} />
      </td>
      {[site.waiting, site.kept, site.changed].map((count, index) => (
        <td class="number" key={index}>
          <Noised count={count} sd={site.sd} />
        </td>
      ))}
    </tr>
  );
}
