// `node server.mjs ALG CERTIFICATE KEY`: tokens by client credentials, as JWTs signed with ALG. Prints its port when ready.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [alg, certificate, key] = process.argv.slice(2);
const pair = alg === "ES256"
  ? generateKeyPairSync("ec", { namedCurve: "P-256" })
  : generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwk = { ...pair.privateKey.export({ format: "jwk" }), alg, use: "sig", kid: "bench" };
const resource = "https://graph.example";

const provider = new Provider("https://localhost", {
  clients: [{
    client_id: "bench", client_secret: "bench-secret", grant_types: ["client_credentials"],
    redirect_uris: [], response_types: [], token_endpoint_auth_method: "client_secret_post",
    id_token_signed_response_alg: alg,
  }],
  jwks: { keys: [jwk] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      getResourceServerInfo: () => ({ scope: "", audience: resource, accessTokenFormat: "jwt", jwt: { sign: { alg } } }),
    },
  },
});
const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, provider.callback());
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
