// A command on its way: what is known of it, until the station has the last word or it has expired.

import { ask, isUnanswered, LIFETIME_S, send, UNANSWERED } from "./asking.js";
import { withStation } from "./stations.js";
import { capital } from "./words.js";

const ISSUER = "operator";
const POLL_MS = 400;
const MARGIN_MS = 3000; // what was carried out at the last moment is told after it
const LONGEST_WAIT_MS = 30_000; // of what the station accepted

const NOT_KNOWN = `Not known yet: the broker did not confirm the command. It is carried out within ${LIFETIME_S} s, or not at all.`;

// Tells what becomes of it by `tell(kind, words)`, where kind is "", "good" or "bad".
export async function command(station, kind, args, tell) {
  const words = capital(kind.replaceAll("_", " "));
  tell("", `Asking the station: ${words} …`);
  let sent;
  try {
    sent = await send(station, kind, args, LIFETIME_S, ISSUER);
  } catch (error) {
    tell("bad", isUnanswered(error) ? UNANSWERED : `Not sent: ${error.message}`);
    return;
  }
  if (sent.state !== "sent") tell("", NOT_KNOWN);
  const begun = Date.now();
  let state = "not known yet";
  while (Date.now() - begun < (state === "accepted" ? LONGEST_WAIT_MS : LIFETIME_S * 1000 + MARGIN_MS)) {
    try {
      const known = await ask(withStation(`/api/commands/${encodeURIComponent(sent.command_id)}`, station));
      if (known.outcome) {
        tell(known.state === "done" ? "good" : "bad", lastWord(known.outcome));
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

function lastWord({ result, reason, from_part: from }) {
  return `${capital(result)}${reason ? `: ${reason}` : ""}${from ? `, from part ${from.part_number} on` : ""}`;
}
