/** The server under test, as `with_server.py` describes it, and what every test does with it. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { ClientSecretCredential } from "@azure/identity";
import { Client } from "@microsoft/microsoft-graph-client";
import { TokenCredentialAuthenticationProvider } from "@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js";

function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run the tests through with_server.py`);
  return value;
}

export const AUTHORITY = setting("CLIENTS_AUTHORITY");
export const TENANT = setting("CLIENTS_TENANT_ID");
export const CERTIFICATE = setting("CLIENTS_CERTIFICATE");
export const ADMIN = {
  appId: setting("CLIENTS_CLIENT_ID"),
  secret: setting("CLIENTS_CLIENT_SECRET"),
  servicePrincipalId: setting("CLIENTS_SERVICE_PRINCIPAL_ID"),
};
export const SCOPE = "https://graph.microsoft.com/.default";

/** Options of every credential of @azure/identity for an authority of one's own. */
export const OPTIONS = { authorityHost: AUTHORITY, disableInstanceDiscovery: true };

export function credential({ appId, secret }, tenant = TENANT) {
  return new ClientSecretCredential(tenant, appId, secret, OPTIONS);
}

/** Microsoft Graph for whoever the credential belongs to. */
export function graphOf(identity) {
  const authProvider = new TokenCredentialAuthenticationProvider(identity, { scopes: [SCOPE] });
  return Client.initWithMiddleware({
    authProvider,
    baseUrl: AUTHORITY,
    customHosts: new Set([new URL(AUTHORITY).hostname]),
  });
}

/** Microsoft Graph with all permissions. */
export const graph = graphOf(credential(ADMIN));

export function unique(name) {
  return `${name}-${randomUUID().slice(0, 8)}`;
}

/** An application with service principal and secret. */
export async function newWorkload(name = "workload") {
  // Of this tenant alone: tokens that can be revoked are for no other.
  const application = await graph.api("/applications").post({
    displayName: unique(name), signInAudience: "AzureADMyOrg",
  });
  const principal = await graph.api("/servicePrincipals").post({ appId: application.appId });
  const secret = await graph.api(`/applications/${application.id}/addPassword`).post({
    passwordCredential: { displayName: "test" },
  });
  return {
    name: application.displayName,
    appId: application.appId,
    objectId: application.id,
    servicePrincipalId: principal.id,
    secret: secret.secretText,
    secretId: secret.keyId,
  };
}

export async function confirm(...servicePrincipalIds) {
  await graph.api("/identityProtection/riskyServicePrincipals/confirmCompromised").post({ servicePrincipalIds });
}

export async function dismiss(...servicePrincipalIds) {
  await graph.api("/identityProtection/riskyServicePrincipals/dismiss").post({ servicePrincipalIds });
}

/** The claims of a token, unchecked. */
export function claims(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
}

/** Sign-ins of a workload, as soon as there are any, and once no more are coming. */
export async function signIns(workload) {
  const filter =
    "signInEventTypes/any(t: t eq 'servicePrincipal') and " +
    `servicePrincipalId eq '${workload.servicePrincipalId}'`;
  for (const deadline = Date.now() + 15_000; ; await sleep(200)) {
    const found = await graph.api("/auditLogs/signIns").version("beta").filter(filter).get();
    if (found.value.length > 0 || Date.now() > deadline) return found.value;
  }
}

/** What a promise fails with. */
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail("it did not fail");
}
