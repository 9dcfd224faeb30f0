/**
 * What a front end does, from signing in to deleting a lead, on a running stack. `cargo xtask test client` runs it and says in the
 * environment where the stack is and who signs in.
 */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";
import {
  analyze,
  type BusinessProfile,
  cancelAnalysis,
  client,
  createBusinessProfile,
  createClient,
  createConfig,
  data,
  deleteBusinessProfile,
  deleteLead,
  ended,
  getAnalysisResult,
  getCreditBalance,
  getCreditPricing,
  getLead,
  OsliraError,
  quote,
  verifyToken,
} from "../src/index.js";

function setting(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
}

/** Signs in as Supabase's own client does, and answers the access token. */
async function signIn(): Promise<string> {
  const answer = await fetch(`${setting("OSLIRA_AUTH_URL")}/token?grant_type=password`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ email: setting("OSLIRA_EMAIL"), password: setting("OSLIRA_PASSWORD") }),
  });
  assert.equal(answer.status, 200);
  const { access_token } = (await answer.json()) as { access_token: string };
  return access_token;
}

before(async () => {
  const token = await signIn();
  client.setConfig({ baseUrl: setting("OSLIRA_API_URL"), auth: () => token });
});

const bakery: BusinessProfile = {
  name: "Crumb & Co",
  description: "Bakes sourdough for cafés.",
  icp: { followerRange: { min: 1_000, max: 500_000 }, engagementMin: 1.5, contentThemes: ["bread", "coffee"], geoFocus: [] },
};

/** A username that nobody has analysed yet. */
const someone = () => `maya.${randomUUID().slice(0, 8)}`;

const balance = async () => (await data(getCreditBalance())).balance;

test("from a business profile to a deleted lead", async () => {
  const { accounts } = await data(verifyToken());
  assert.ok(accounts.length > 0);
  const balanceBefore = await balance();

  const key = { "Idempotency-Key": randomUUID() };
  const business = await data(createBusinessProfile({ body: bakery, headers: key }));
  const repeated = await data(createBusinessProfile({ body: bakery, headers: key }));
  assert.equal(repeated.id, business.id);

  const username = someone();
  const start = { body: { username, analysisType: "light" as const, businessProfileId: business.id } };
  const { cost, balanceAfter } = await quote(start);
  assert.equal(balanceAfter, balanceBefore - cost);
  const run = await analyze(start);
  assert.equal(run.creditsCharged, cost);
  const seen: number[] = [];
  const last = await ended(run.runId, {
    signal: AbortSignal.timeout(60_000),
    onProgress: ({ progress }) => seen.push(progress),
    intervalMs: 100,
  });
  assert.equal(last.status, "complete", last.reason);
  assert.deepEqual(seen, seen.toSorted((a, b) => a - b));
  assert.equal(await balance(), balanceAfter);

  const result = await data(getAnalysisResult({ path: { runId: run.runId } }));
  assert.equal(result.username, username);
  assert.ok(result.score >= 0 && result.score <= 100);

  const path = { leadId: result.leadId };
  const lead = await data(getLead({ path }));
  assert.equal(lead.username, username);
  await data(deleteLead({ path }));
  await assert.rejects(data(getLead({ path })), { name: "OsliraError", status: 404, code: "LeadNotFound" });
  await data(deleteBusinessProfile({ path: { businessProfileId: business.id } }));
});

test("a refusal has a code, details and a request id", async () => {
  await assert.rejects(data(createBusinessProfile({ body: { ...bakery, name: "" } })), (error: unknown) => {
    assert.ok(error instanceof OsliraError);
    assert.equal(error.status, 400);
    assert.equal(error.code, "ValidationFailed");
    assert.deepEqual(error.details, { name: "must not be empty" });
    assert.notEqual(error.requestId, "");
    return true;
  });
});

test("without a token there is the price list, and nothing of an account", async () => {
  const stranger = createClient(createConfig({ baseUrl: setting("OSLIRA_API_URL") }));
  const prices = await data(getCreditPricing({ client: stranger, query: { credits: 50 } }));
  assert.deepEqual(prices.purchase, { credits: 50, priceCents: 4_500, packId: "pack-50" });
  await assert.rejects(data(getCreditBalance({ client: stranger })), { status: 401, code: "Unauthorized" });
});

test("waiting ends when its time is up, and a run can be cancelled", async () => {
  const balanceBefore = await balance();
  const business = await data(createBusinessProfile({ body: bakery }));
  const run = await analyze({ body: { username: someone(), analysisType: "light", businessProfileId: business.id } });
  await assert.rejects(ended(run.runId, { signal: AbortSignal.timeout(1), intervalMs: 60_000 }), { name: "TimeoutError" });

  const path = { runId: run.runId };
  try {
    await data(cancelAnalysis({ path }));
  } catch (error) {
    // The run may be quicker.
    assert.ok(error instanceof OsliraError && error.code === "AlreadyFinished", String(error));
  }
  const last = await ended(run.runId, { signal: AbortSignal.timeout(60_000), intervalMs: 100 });
  assert.ok(last.status === "cancelled" || last.status === "complete", last.status);
  assert.equal(await balance(), balanceBefore - (last.status === "complete" ? run.creditsCharged : 0));
  await data(deleteBusinessProfile({ path: { businessProfileId: business.id } }));
});
