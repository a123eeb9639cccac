// A command on its way: what is known of it, until the station has the last word or it has expired.

import { COMMAND_LIFETIME_S, fetchJson, isOutcomeUnknown, OUTCOME_UNKNOWN, postCommand } from "./api.js";
import { capitalize } from "./format.js";
import { withStation } from "./station-choice.js";

const ISSUER = "operator";
const POLL_MS = 400;
const MARGIN_MS = 3000; // what was carried out at the last moment is told after it
const MAX_ACCEPTED_WAIT_MS = 30_000; // of what the station accepted

const NOT_KNOWN = `Not known yet: the broker did not confirm the command. It is carried out within ${COMMAND_LIFETIME_S} s, or not at all.`;

// Tells what becomes of it by `tell(kind, words)`, where kind is "", "good" or "bad".
export async function runCommand(station, kind, args, tell) {
  const words = capitalize(kind.replaceAll("_", " "));
  tell("", `Asking the station: ${words} …`);
  let sent;
  try {
    sent = await postCommand(station, kind, args, COMMAND_LIFETIME_S, ISSUER);
  } catch (error) {
    tell("bad", isOutcomeUnknown(error) ? OUTCOME_UNKNOWN : `Not sent: ${error.message}`);
    return;
  }
  if (sent.state !== "sent") tell("", NOT_KNOWN);
  const begun = Date.now();
  let state = "not known yet";
  while (Date.now() - begun < (state === "accepted" ? MAX_ACCEPTED_WAIT_MS : COMMAND_LIFETIME_S * 1000 + MARGIN_MS)) {
    try {
      const known = await fetchJson(withStation(`/api/commands/${encodeURIComponent(sent.command_id)}`, station));
      if (known.outcome) {
        tell(known.state === "done" ? "good" : "bad", describeOutcome(known.outcome));
        return;
      }
      if (known.state !== state) tell("", "The station took it and is at it …");
      state = known.state;
    } catch {
      // the page says by itself that the site does not answer; asked again below
    }
    await new Promise((done) => { setTimeout(done, POLL_MS); });
  }
  tell("bad", state === "accepted"
    ? "Not known: the station took it, and did not say what became of it."
    : `Not known: no answer of the station came. The command has expired: from now on it is not carried out.`);
}

function describeOutcome({ result, reason, from_part: from }) {
  return `${capitalize(result)}${reason ? `: ${reason}` : ""}${from ? `, from part ${from.part_number} on` : ""}`;
}
