// Asks the site, and orders from a station.

const TIMEOUT_MS = 8000;
export const LIFETIME_S = 12; // short, so that nothing is carried out that nobody reckons with any more
export const ISSUER = "engineer";

// Whether nobody knows if what was asked for was done.
export const isUnanswered = (error) => error.name === "TimeoutError" || error instanceof TypeError;
export const UNANSWERED = `Not known: the site did not answer. The command is carried out within ${LIFETIME_S} s, or not at all.`;

export async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

// Sends a command; its id comes back, or an error in the site's words.
export const order = async (...of) => (await send(...of)).command_id;

// Sends a command: its id, whether the broker is known to have it, and when it expires.
export async function send(station, kind, args = {}, lifetimeS = LIFETIME_S, issuer = ISSUER) {
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
