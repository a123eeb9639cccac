// Sends an order and waits for what became of it: the publisher's word first, then the component's.

import { fetchJson, isOutcomeUnknown, OUTCOME_UNKNOWN } from "./api.js";
import { withStation } from "./station-choice.js";

const POLL_MS = 400;
const MAX_WAIT_MS = 30_000;

// ["done" | "failed" | "refused", words, step or null]
export async function sendAndAwaitOutcome(station, send, waitMs = MAX_WAIT_MS) {
  let id;
  try {
    id = await send();
  } catch (error) {
    return isOutcomeUnknown(error) ? ["failed", OUTCOME_UNKNOWN, null] : ["refused", error.message, null];
  }
  const until = Date.now() + waitMs;
  let told = null;
  while (Date.now() < until) {
    try {
      const bench = await fetchJson(`/api/bench/${encodeURIComponent(station)}`);
      const step = bench.steps.find((entry) => entry.command_id === id);
      if (step) return [step.result, step.text, step];
      const { state, outcome } = await fetchJson(withStation(`/api/commands/${encodeURIComponent(id)}`, station));
      if (outcome && state !== "done") return ["refused", `${state}: ${outcome.reason}`, null];
      told = state === "not known yet" ? told : state;
    } catch {
      // asked again below
    }
    await new Promise((done) => { setTimeout(done, POLL_MS); });
  }
  return ["failed", told ? `The station took the order, and no answer came within ${waitMs / 1000} s` : "Not known: the station did not answer. By now the order has expired and is not carried out any more.", null];
}
