/** Microsoft Graph through its client for JavaScript. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, test } from "node:test";

import { BatchRequestContent, BatchResponseContent, GraphError, PageIterator } from "@microsoft/microsoft-graph-client";

import {
  ADMIN, AUTHORITY, SCOPE, confirm, credential, dismiss, failure, graph, graphOf, newWorkload, unique,
} from "./support.mjs";

const RISKY = "/identityProtection/riskyServicePrincipals";

describe("risky service principals", () => {
  const members = new Map();
  const prefix = unique("herd");

  before(async () => {
    for (let number = 0; number < 10; number++) {
      const application = await graph.api("/applications").post({ displayName: `${prefix}-${number}` });
      const principal = await graph.api("/servicePrincipals").post({ appId: application.appId });
      members.set(principal.id, principal.displayName);
    }
    await confirm(...members.keys());
    await dismiss([...members.keys()][9]);
  });

  const ours = `startswith(displayName,'${prefix}')`;

  test("filter and select", async () => {
    const found = await graph.api(RISKY).filter(`riskLevel eq 'high' and ${ours}`).select("id,riskLevel").get();
    assert.equal(found.value.length, 9);
    for (const item of found.value) {
      assert.deepEqual(Object.keys(item).filter((name) => !name.includes("@")).sort(), ["id", "riskLevel"]);
      assert.equal(item.riskLevel, "high");
    }
  });

  test("count", async () => {
    const found = await graph.api(RISKY).filter(ours).count(true).top(3).get();
    assert.equal(found["@odata.count"], 10);
    assert.equal(found.value.length, 3);
  });

  test("all pages", async () => {
    const found = [];
    const first = await graph.api(RISKY).filter(ours).top(3).get();
    assert.ok(first["@odata.nextLink"].startsWith(`${AUTHORITY}/v1.0/`));
    const iterator = new PageIterator(graph, first, (item) => found.push(item.id) > 0);
    await iterator.iterate();
    assert.deepEqual(found.sort(), [...members.keys()].sort());
  });

  test("one, on both versions", async () => {
    const [id, name] = members.entries().next().value;
    const v1 = await graph.api(`${RISKY}/${id}`).get();
    const beta = await graph.api(`${RISKY}/${id}`).version("beta").get();
    assert.equal(v1.displayName, name);
    assert.equal(v1.riskState, "confirmedCompromised");
    assert.equal(beta.riskDetail, "adminConfirmedServicePrincipalCompromised");
  });

  test("history of a dismissed one", async () => {
    const id = [...members.keys()][9];
    const history = await graph.api(`${RISKY}/${id}/history`).get();
    const states = history.value.map((item) => item.riskState);
    assert.ok(states.includes("confirmedCompromised") && states.includes("dismissed"));
    for (const item of history.value) assert.equal(item.initiatedBy, ADMIN.servicePrincipalId);
    assert.equal((await graph.api(`${RISKY}/${id}`).get()).riskLevel, "none");
  });

  test("detections", async () => {
    const [id] = members.keys();
    const found = await graph
      .api("/identityProtection/servicePrincipalRiskDetections")
      .filter(`servicePrincipalId eq '${id}'`)
      .get();
    assert.deepEqual(found.value.map((item) => item.riskEventType), ["adminConfirmedServicePrincipalCompromised"]);
  });

  test("an action answers nothing", async () => {
    const answer = await graph.api(`${RISKY}/dismiss`).post({ servicePrincipalIds: [[...members.keys()][8]] });
    assert.equal(answer, undefined);
  });
});

describe("applications", () => {
  test("from creation to the end", async () => {
    const made = await graph.api("/applications").post({ displayName: unique("life") });
    const path = `/applications/${made.id}`;
    assert.equal((await graph.api(`/applications(appId='${made.appId}')`).get()).id, made.id);
    await graph.api(path).patch({ notes: "changed" });
    assert.equal((await graph.api(path).select("notes").get()).notes, "changed");
    await graph.api(path).delete();
    assert.equal((await failure(graph.api(path).get())).statusCode, 404);
    const restored = await graph.api(`/directory/deletedItems/${made.id}/restore`).post({});
    assert.equal(restored.id, made.id);
    assert.equal((await graph.api(path).get()).notes, "changed");
  });

  test("a removed secret is refused at once", async () => {
    const workload = await newWorkload();
    assert.ok(await credential(workload).getToken(SCOPE));
    await graph.api(`/applications/${workload.objectId}/removePassword`).post({ keyId: workload.secretId });
    const error = await failure(credential(workload).getToken(SCOPE));
    assert.match(error.message, /AADSTS7000215/);
  });

  test("advanced queries", async () => {
    const prefix = unique("advanced");
    for (const letter of ["b", "a", "c"]) {
      await graph.api("/applications").post({ displayName: `${prefix} ${letter}` });
    }
    const found = await graph
      .api("/applications")
      .header("ConsistencyLevel", "eventual")
      .filter(`startswith(displayName,'${prefix}')`)
      .orderby("displayName")
      .count(true)
      .get();
    assert.equal(found["@odata.count"], 3);
    assert.deepEqual(found.value.map((item) => item.displayName.at(-1)), ["a", "b", "c"]);
  });
});

describe("batches", () => {
  async function send(steps) {
    const content = await new BatchRequestContent(steps).getContent();
    return new BatchResponseContent(await graph.api("/$batch").post(content));
  }

  function step(id, path, options, dependsOn) {
    return { id, request: new Request(`${AUTHORITY}/v1.0${path}`, options), dependsOn };
  }

  test("answers are whole responses", async () => {
    const workload = await newWorkload();
    const responses = await send([
      step("found", `/applications/${workload.objectId}`),
      step("missing", `/applications/${randomUUID()}`),
      step("changed", `/applications/${workload.objectId}`, {
        method: "PATCH", body: JSON.stringify({ notes: "by batch" }), headers: { "Content-Type": "application/json" },
      }),
    ]);
    assert.equal((await responses.getResponseById("found").json()).appId, workload.appId);
    const missing = responses.getResponseById("missing");
    assert.equal(missing.status, 404);
    assert.equal((await missing.json()).error.code, "Request_ResourceNotFound");
    assert.equal(responses.getResponseById("changed").status, 204);
    assert.equal((await graph.api(`/applications/${workload.objectId}`).get()).notes, "by batch");
  });

  test("one after the other", async () => {
    const { objectId } = await newWorkload();
    const change = (notes) => ({
      method: "PATCH", body: JSON.stringify({ notes }), headers: { "Content-Type": "application/json" },
    });
    const responses = await send([
      step("first", `/applications/${objectId}`, change("first")),
      step("second", `/applications/${objectId}`, change("second"), ["first"]),
    ]);
    assert.equal(responses.getResponseById("second").status, 204);
    assert.equal((await graph.api(`/applications/${objectId}`).get()).notes, "second");
  });

  test("what depends on a failure is not tried", async () => {
    const responses = await send([
      step("first", `/applications/${randomUUID()}`),
      step("second", "/organization", undefined, ["first"]),
    ]);
    assert.equal(responses.getResponseById("second").status, 424);
  });
});

describe("errors", () => {
  test("a missing object", async () => {
    const error = await failure(graph.api(`/applications/${randomUUID()}`).get());
    assert.ok(error instanceof GraphError);
    assert.equal(error.statusCode, 404);
    assert.equal(error.code, "Request_ResourceNotFound");
    assert.match(error.requestId, /^[0-9a-f-]{36}$/);
    assert.ok(error.date instanceof Date && !Number.isNaN(error.date.getTime()));
    assert.equal(error.headers.get("request-id"), error.requestId);
  });

  test("a missing permission", async () => {
    const nobody = graphOf(credential(await newWorkload()));
    const error = await failure(nobody.api(RISKY).get());
    assert.equal(error.statusCode, 403);
    assert.equal(error.code, "Authorization_RequestDenied");
  });

  test("a query that cannot be read", async () => {
    const error = await failure(graph.api(RISKY).filter("riskLevel eq").get());
    assert.equal(error.statusCode, 400);
  });

  test("a page that is too large", async () => {
    const error = await failure(graph.api(RISKY).top(501).get());
    assert.equal(error.statusCode, 400);
    assert.match(error.message, /Must be between 1 and 500/);
  });

  test("a token that is none", async () => {
    const token = { token: "nonsense", expiresOnTimestamp: Date.now() + 3_600_000 };
    const broken = graphOf({ getToken: async () => token });
    const error = await failure(broken.api(RISKY).get());
    assert.equal(error.statusCode, 401);
    assert.equal(error.code, "InvalidAuthenticationToken");
  });
});
