/**
 * Oslira's API: a function for each route, the types of requests and answers, errors by their codes, and starting a run and
 * waiting for it.
 */

import type { Client } from "./generated/client/index.js";
import {
  type AcceptedRun,
  type AnalysisQuote,
  type ErrorCode,
  type Failure,
  getAnalysisProgress,
  type Options,
  type Progress,
  startAnalysis,
  type StartAnalysisData,
} from "./generated/index.js";

export * from "./generated/index.js";
export { client } from "./generated/client.gen.js";
export { type Client, createClient, createConfig } from "./generated/client/index.js";

/** A refusal of the API. */
export class OsliraError extends Error {
  override readonly name = "OsliraError";

  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** What went wrong, for programs. `message` says it to people. docs/errors.md explains each code. */
    readonly code: ErrorCode,
    message: string,
    /** Facts for programs, which depend on the code. */
    readonly details: Record<string, unknown>,
    /** What support needs to find the request. */
    readonly requestId: string,
    /** After how many seconds to try again; undefined when the API does not say. */
    readonly retryAfterSeconds: number | undefined,
  ) {
    super(message);
  }
}

/** What a route's function returns. */
type Call<Envelope> = Promise<{ data: Envelope | undefined; error?: unknown; response?: Response }>;

/** The `data` of an answer. Throws an `OsliraError` when the API refused, and whatever `fetch` threw when no answer came. */
export async function data<Envelope extends { data: unknown }>(call: Call<Envelope>): Promise<Envelope["data"]> {
  const { data, error, response } = await call;
  if (data !== undefined) return data.data;
  if (response === undefined || !isFailure(error)) throw error;
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  throw new OsliraError(
    response.status,
    error.code,
    error.error,
    error.details ?? {},
    error.requestId,
    Number.isNaN(seconds) ? undefined : seconds,
  );
}

function isFailure(error: unknown): error is Failure {
  return typeof error === "object" && error !== null && "code" in error && "requestId" in error;
}

/** What an analysis is started with. */
export type Start = Omit<Options<StartAnalysisData>, "query">;

/** Charges the account and starts an analysis. */
export async function analyze(start: Start): Promise<AcceptedRun> {
  return (await data(startAnalysis({ ...start, query: { quote: false } }))) as AcceptedRun;
}

/** What the same analysis would cost, and what would refuse it. Charges and starts nothing. */
export async function quote(start: Start): Promise<AnalysisQuote> {
  return (await data(startAnalysis({ ...start, query: { quote: true } }))) as AnalysisQuote;
}

export interface Waiting {
  /** When to stop waiting, such as `AbortSignal.timeout(120_000)`. The run goes on. */
  signal: AbortSignal;
  /** Gets the progress after each question. */
  onProgress?: (progress: Progress) => void;
  /** Milliseconds from one answer to the next question. */
  intervalMs?: number;
  client?: Client;
}

/**
 * Waits until a run is complete, failed or cancelled, and answers its last progress. Throws the signal's reason when that comes
 * first. When the API refuses a question for the moment (429 or 503), it asks again, no sooner than the API says.
 */
export async function ended(runId: string, { signal, onProgress, intervalMs = 1_000, client }: Waiting): Promise<Progress> {
  for (;;) {
    let waitMs = intervalMs;
    try {
      const progress = await data(getAnalysisProgress({ path: { runId }, signal, ...(client && { client }) }));
      onProgress?.(progress);
      if (["complete", "failed", "cancelled"].includes(progress.status)) return progress;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof OsliraError) || ![429, 503].includes(error.status)) throw error;
      waitMs = Math.max(waitMs, (error.retryAfterSeconds ?? 0) * 1_000);
    }
    await pause(waitMs, signal);
  }
}

/** Waits so long. Throws the signal's reason when that comes first. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
