// Sends a command and waits for its outcome, first from the publisher, then from the component.

import { fetchJson, isOutcomeUnknown, OUTCOME_UNKNOWN } from "./api.js";
import { capitalize } from "./format.js";
import { withStation } from "./station-choice.js";

const POLL_MS = 400;
const MAX_WAIT_MS = 30_000;

// Returns ["done" | "failed" | "refused", text, step or null].
export async function sendAndAwaitOutcome(station, send, waitMs = MAX_WAIT_MS) {
  let id;
  try {
    id = await send();
  } catch (error) {
    return isOutcomeUnknown(error) ? ["failed", OUTCOME_UNKNOWN, null] : ["refused", error.message, null];
  }
  const until = Date.now() + waitMs;
  let isAccepted = false;
  while (Date.now() < until) {
    try {
      const bench = await fetchJson(`/api/bench/${encodeURIComponent(station)}`);
      const step = bench.steps.find((entry) => entry.command_id === id);
      if (step) return [step.result, step.text, step];
      const { state, outcome } = await fetchJson(withStation(`/api/commands/${encodeURIComponent(id)}`, station));
      if (outcome && state !== "done") return ["refused", `${capitalize(state)}: ${outcome.reason}`, null];
      if (state !== "not known yet") isAccepted = true;
    } catch {
      // polled again below
    }
    await new Promise((done) => { setTimeout(done, POLL_MS); });
  }
  const text = isAccepted
    ? `The station accepted the command but reported no result within ${waitMs / 1000} s. Check the station before you send it again.`
    : "No answer from the station. The command has expired and will not be carried out.";
  return ["failed", text, null];
}
