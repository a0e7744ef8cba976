/** Tokens by secret and by certificate, and how refusals look. */

import assert from "node:assert/strict";
import { createHash, randomUUID, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { before, describe, test } from "node:test";

import { ClientCertificateCredential, ClientSecretCredential, EnvironmentCredential } from "@azure/identity";
import { ConfidentialClientApplication } from "@azure/msal-node";

import {
  AUTHORITY, CERTIFICATE, OPTIONS, SCOPE, TENANT, claims, credential, failure, graph, newWorkload, signIns,
} from "./support.mjs";

function confidential(workload, auth = { clientSecret: workload.secret }) {
  return new ConfidentialClientApplication({
    auth: {
      clientId: workload.appId,
      authority: `${AUTHORITY}/${TENANT}`,
      knownAuthorities: [new URL(AUTHORITY).host],
      ...auth,
    },
  });
}

describe("by secret", () => {
  let workload;
  before(async () => (workload = await newWorkload()));

  test("@azure/identity", async () => {
    const token = await credential(workload).getToken(SCOPE);
    assert.equal(claims(token.token).appid, workload.appId);
    assert.ok(token.expiresOnTimestamp > Date.now() + 50 * 60_000);
  });

  test("@azure/identity with continuous access evaluation", async () => {
    const token = await credential(workload).getToken(SCOPE, { enableCae: true });
    assert.deepEqual(claims(token.token).xms_cc.map((value) => value.toLowerCase()), ["cp1"]);
  });

  test("@azure/identity from its environment", async () => {
    Object.assign(process.env, {
      AZURE_AUTHORITY_HOST: AUTHORITY, AZURE_TENANT_ID: TENANT, AZURE_CLIENT_ID: workload.appId,
      AZURE_CLIENT_SECRET: workload.secret,
    });
    try {
      const token = await new EnvironmentCredential({ disableInstanceDiscovery: true }).getToken(SCOPE);
      assert.equal(claims(token.token).oid, workload.servicePrincipalId);
    } finally {
      for (const name of Object.keys(process.env)) if (name.startsWith("AZURE_")) delete process.env[name];
    }
  });

  test("@azure/msal-node", async () => {
    const result = await confidential(workload).acquireTokenByClientCredential({ scopes: [SCOPE] });
    assert.equal(claims(result.accessToken).appid, workload.appId);
    assert.equal(result.tokenType, "Bearer");
  });

  test("@azure/msal-node with capabilities", async () => {
    const app = confidential(workload, { clientSecret: workload.secret, clientCapabilities: ["CP1"] });
    const result = await app.acquireTokenByClientCredential({ scopes: [SCOPE] });
    assert.ok(claims(result.accessToken).xms_cc);
  });
});

describe("by certificate", () => {
  let workload;
  const pem = readFileSync(CERTIFICATE, "utf8");
  const [privateKey, certificate] = pem.split(/(?=-----BEGIN CERTIFICATE-----)/);
  const der = new X509Certificate(certificate).raw;

  before(async () => {
    workload = await newWorkload("certified");
    await graph.api(`/applications/${workload.objectId}`).patch({
      keyCredentials: [{ type: "AsymmetricX509Cert", usage: "Verify", key: der.toString("base64") }],
    });
  });

  for (const sendCertificateChain of [false, true]) {
    test(`@azure/identity ${sendCertificateChain ? "with" : "without"} its chain`, async () => {
      const identity = new ClientCertificateCredential(
        TENANT, workload.appId, { certificatePath: CERTIFICATE }, { ...OPTIONS, sendCertificateChain },
      );
      const token = await identity.getToken(SCOPE);
      assert.equal(claims(token.token).appidacr, "2");
    });
  }

  test("@azure/msal-node", async () => {
    const thumbprintSha256 = createHash("sha256").update(der).digest("hex");
    const app = confidential(workload, { clientCertificate: { thumbprintSha256, privateKey } });
    const result = await app.acquireTokenByClientCredential({ scopes: [SCOPE] });
    assert.equal(claims(result.accessToken).oid, workload.servicePrincipalId);
  });

  test("a certificate that is not registered", async () => {
    const other = await newWorkload("uncertified");
    const identity = new ClientCertificateCredential(
      TENANT, other.appId, { certificatePath: CERTIFICATE }, OPTIONS,
    );
    const error = await failure(identity.getToken(SCOPE));
    assert.match(error.message, /AADSTS700027/);
    const records = await signIns(other);
    assert.deepEqual(records.map((record) => record.status.errorCode), [700027]);
  });
});

describe("refusals", () => {
  test("a wrong secret is tried once (401)", async () => {
    const workload = await newWorkload();
    const error = await failure(credential({ ...workload, secret: "wrong" }).getToken(SCOPE));
    assert.equal(error.name, "AuthenticationRequiredError");
    assert.match(error.message, /invalid_client: Error\(s\): 7000215/);
    assert.match(error.message, /Trace ID: .+ Correlation ID: /s);
    assert.equal((await signIns(workload)).length, 1, "nobody repeats a refusal");
  });

  test("a disabled service principal is tried once (400)", async () => {
    const workload = await newWorkload();
    await graph.api(`/servicePrincipals/${workload.servicePrincipalId}`).patch({ accountEnabled: false });
    const error = await failure(credential(workload).getToken(SCOPE));
    assert.match(error.message, /AADSTS7000112/);
    assert.equal((await signIns(workload)).length, 1);
  });

  test("the right secret works at once after a wrong one", async () => {
    const workload = await newWorkload();
    await failure(credential({ ...workload, secret: "wrong" }).getToken(SCOPE));
    assert.ok(await credential(workload).getToken(SCOPE));
  });

  test("an unknown application", async () => {
    const error = await failure(credential({ appId: randomUUID(), secret: "anything" }).getToken(SCOPE));
    assert.match(error.message, /AADSTS700016/);
  });

  test("an unknown resource", async () => {
    const workload = await newWorkload();
    const error = await failure(credential(workload).getToken(`api://${randomUUID()}/.default`));
    assert.match(error.message, /AADSTS500011/);
  });

  test("an unknown tenant", async () => {
    const identity = new ClientSecretCredential(randomUUID(), randomUUID(), "anything", OPTIONS);
    const error = await failure(identity.getToken(SCOPE));
    const names = ["CredentialUnavailableError", "AuthenticationRequiredError", "AuthenticationError"];
    assert.ok(names.includes(error.name), error.name);
  });

  test("@azure/msal-node gives number and correlation id", async () => {
    const workload = await newWorkload();
    const correlationId = randomUUID();
    const app = confidential(workload, { clientSecret: "wrong" });
    const error = await failure(app.acquireTokenByClientCredential({ scopes: [SCOPE], correlationId }));
    assert.equal(error.errorCode, "invalid_client");
    assert.match(error.errorMessage, /7000215/);
    assert.equal(error.correlationId, correlationId);
    const [record] = await signIns(workload);
    assert.equal(record.correlationId, correlationId);
  });
});
