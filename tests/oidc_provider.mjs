// The stricter of the two providers of tests/oidc.sh: the npm package oidc-provider, with the same people. Its
// own pages for trying it out ask who somebody is (any password will do) and whether they consent.
//   node tests/oidc_provider.mjs PORT PAGE       NODE_PATH is of no use to modules: OIDC_MODULES is the folder
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [port, page] = process.argv.slice(2);
const modules = createRequire(path.join(process.env.OIDC_MODULES, "none.js"));
const { Provider } = await import(pathToFileURL(modules.resolve("oidc-provider")).href);

const people = {
  "s-1": { preferred_username: "ada", groups: ["staff", "labelers"] },
  "s-2": { preferred_username: "lea", groups: ["leaders", "labelers"] },
  "s-3": { preferred_username: "eva", groups: ["visitors"] },
  "s-4": { preferred_username: "ian", groups: ["labelers"] },
};
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    { client_id: "insitu", client_secret: "a-shared-secret", redirect_uris: [`${page}/api/oidc/callback`] },
  ],
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
  conformIdTokenClaims: false, // what is said of somebody is in the token of the sign-in itself
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
});
provider.listen(Number(port), "127.0.0.1");
