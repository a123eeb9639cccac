// Sends a command and reports its progress until the station has answered or the command has expired.

import { COMMAND_LIFETIME_S, fetchJson, isOutcomeUnknown, OUTCOME_UNKNOWN, postCommand } from "./api.js";
import { capitalize } from "./format.js";
import { withStation } from "./station-choice.js";

const OPERATOR = "operator";
const POLL_MS = 400;
const MARGIN_MS = 3000; // an answer may arrive shortly after the command has expired
const MAX_ACCEPTED_WAIT_MS = 30_000; // for a command that the station accepted

const NOT_CONFIRMED =
  `Not confirmed by the broker. The station may still carry out the command within ${COMMAND_LIFETIME_S} s.`;

// Reports progress by `report(kind, text)`, where kind is "", "good" or "bad"; returns whether it was done.
export async function runCommand(station, kind, args, report, issuer = OPERATOR) {
  report("", "Sending the command to the station …");
  let sent;
  try {
    sent = await postCommand(station, kind, args, COMMAND_LIFETIME_S, issuer);
  } catch (error) {
    report("bad", isOutcomeUnknown(error) ? OUTCOME_UNKNOWN : `Not sent: ${error.message}`);
    return false;
  }
  if (sent.state !== "sent") report("", NOT_CONFIRMED);
  const begun = Date.now();
  let state = "not known yet";
  while (Date.now() - begun < (state === "accepted" ? MAX_ACCEPTED_WAIT_MS : COMMAND_LIFETIME_S * 1000 + MARGIN_MS)) {
    try {
      const known = await fetchJson(withStation(`/api/commands/${encodeURIComponent(sent.command_id)}`, station));
      if (known.outcome) {
        report(known.state === "done" ? "good" : "bad", describeOutcome(known.outcome));
        return known.state === "done";
      }
      if (known.state !== state) report("", "Accepted. Waiting for the station to carry it out …");
      state = known.state;
    } catch {
      // the page reports a lost connection by itself; polled again below
    }
    await new Promise((done) => { setTimeout(done, POLL_MS); });
  }
  report("bad", state === "accepted"
    ? "The station accepted the command but reported no result. Check the station before you send it again."
    : "No answer from the station. The command has expired and will not be carried out.");
  return false;
}

function describeOutcome({ result, reason, from_part: from }) {
  return `${capitalize(result)}${reason ? `: ${reason}` : ""}${from ? `, from part ${from.part_number} on` : ""}`;
}
