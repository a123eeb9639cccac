// Requests to the server: read JSON, and send commands to a station.

const TIMEOUT_MS = 8000;
export const COMMAND_LIFETIME_S = 12; // short, so that no forgotten command is carried out later
export const DEFAULT_ISSUER = "engineer";

// Whether it is unknown if the command was sent.
export const isOutcomeUnknown = (error) => error.name === "TimeoutError" || error instanceof TypeError;
export const OUTCOME_UNKNOWN =
  `No answer from the server. The station may still carry out the command within ${COMMAND_LIFETIME_S} s. Then check before you send it again.`;

export async function fetchJson(path, timeoutMs = TIMEOUT_MS) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(timeoutMs), cache: "no-store" });
  if (!answer.ok) throw new Error(await readError(answer) ?? `${path}: ${answer.status}`);
  return answer.json();
}

const readError = (answer) => answer.json().then((content) => content.error, () => null);

// Sends a command and returns its id; throws the server's error text.
export const sendCommand = async (...of) => (await postCommand(...of)).command_id;

// Sends a command; returns its id, whether the broker confirmed it, and when it expires.
export async function postCommand(station, kind, args = {}, lifetimeS = COMMAND_LIFETIME_S, issuer = DEFAULT_ISSUER) {
  const answer = await fetch("/api/commands", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ station, kind, issued_by: issuer, lifetime_s: lifetimeS, arguments: args }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error ?? `${answer.status}`);
  return content;
}
