// Asks the site, and orders from a station.

const TIMEOUT_MS = 8000;
export const COMMAND_LIFETIME_S = 12; // short, so that nothing is carried out that nobody reckons with any more
export const DEFAULT_ISSUER = "engineer";

// Whether nobody knows if what was asked for was done.
export const isOutcomeUnknown = (error) => error.name === "TimeoutError" || error instanceof TypeError;
export const OUTCOME_UNKNOWN = `Not known: the site did not answer. The command is carried out within ${COMMAND_LIFETIME_S} s, or not at all.`;

export async function fetchJson(path, timeoutMs = TIMEOUT_MS) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(timeoutMs), cache: "no-store" });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

// Sends a command; its id comes back, or an error in the site's words.
export const sendCommand = async (...of) => (await postCommand(...of)).command_id;

// Sends a command: its id, whether the broker is known to have it, and when it expires.
export async function postCommand(station, kind, args = {}, lifetimeS = COMMAND_LIFETIME_S, issuer = DEFAULT_ISSUER) {
  const answer = await fetch("/api/orders", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ station, kind, issued_by: issuer, lifetime_s: lifetimeS, arguments: args }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error ?? `${answer.status}`);
  return content;
}
