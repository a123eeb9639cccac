// Sends an order and waits for what became of it: the publisher's word first, then the component's.

import { ask } from "./asking.js";

const POLL_MS = 400;
const LONGEST_WAIT_MS = 30_000;

// ["done" | "failed" | "refused", words, step or null]
export async function outcomeOf(station, send, waitMs = LONGEST_WAIT_MS) {
  let id;
  try {
    id = await send();
  } catch (error) {
    return ["refused", error.message, null];
  }
  const until = Date.now() + waitMs;
  let told = null;
  while (Date.now() < until) {
    try {
      const bench = await ask(`/api/bench/${encodeURIComponent(station)}`);
      const step = bench.steps.find((entry) => entry.command_id === id);
      if (step) return [step.result, step.text, step];
      const { commands } = await ask("/api/commands?limit=50");
      told = commands.find((entry) => entry.command_id === id) ?? told;
      if (told && told.result !== "accepted") return ["refused", `${told.result}: ${told.reason}`, null];
    } catch (error) {
      told ??= { reason: error.message };
    }
    await new Promise((done) => { setTimeout(done, POLL_MS); });
  }
  return ["failed", told ? `The station took the order, and no answer came within ${waitMs / 1000} s` : "The station did not answer", null];
}
