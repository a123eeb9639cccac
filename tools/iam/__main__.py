"""Generate the AWS policies: `python -m tools.iam` shows changes, `--write` writes recipes/policies/.

`python -m tools.iam --fill REGION ACCOUNT_ID --out DIR` writes them filled in for an account.
"""

import argparse
import difflib
import json
import sys
from dataclasses import fields
from pathlib import Path

from sightline.command_output import run_command
from tools.iam.iam_policies import (
    AccountNames,
    build_policies,
    build_provisioning_template,
    build_trust_policy,
    fill_placeholders,
)
from tools.iam.receipt_rules import build_receipt_rules
from tools.recipes import ROOT

FOLDER = ROOT / "recipes" / "policies"
TRUSTED = {
    "token-exchange": "credentials.iot.amazonaws.com",
    "provisioning": "iot.amazonaws.com",
    "receipts": "iot.amazonaws.com",
}


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 if the files are up to date or were written; 1 if some would change."""
    given = _arguments().parse_args(arguments)
    names = AccountNames(
        **{field.name: getattr(given, field.name) for field in fields(AccountNames)}
    )
    if given.fill:
        return _write_filled_policies(names, given.fill[0], given.fill[1], given.out)
    changed = [
        _update_policy_file(FOLDER / f"{role}.json", _format_json(policy), given.write)
        for role, policy in build_policies(names).items()
    ]
    return int(any(changed) and not given.write)


def _write_filled_policies(names: AccountNames, region: str, account: str, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for role, policy in build_policies(names).items():
        text = _format_json(fill_placeholders(policy, region, account))
        (folder / f"{role}.json").write_text(text, encoding="utf-8")
    for role, service in TRUSTED.items():
        text = _format_json(fill_placeholders(build_trust_policy(service), region, account))
        (folder / f"{role}-trust.json").write_text(text, encoding="utf-8")
    template = _format_json(build_provisioning_template())
    (folder / "provisioning-template.json").write_text(template, encoding="utf-8")
    rules = {
        name: fill_placeholders(rule, region, account)
        for name, rule in build_receipt_rules().items()
    }
    for name, rule in rules.items():
        (folder / f"{name}.rule.json").write_text(_format_json(rule), encoding="utf-8")
    print(f"{len(build_policies(names)) + len(TRUSTED) + 1 + len(rules)} files written to {folder}")
    return 0


def _update_policy_file(path: Path, wanted: str, write: bool) -> bool:
    found = path.read_text(encoding="utf-8") if path.is_file() else ""
    if found == wanted:
        return False
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted, encoding="utf-8")
        print(f"wrote {path.name}")
    else:
        lines = (found.splitlines(keepends=True), wanted.splitlines(keepends=True))
        sys.stdout.writelines(difflib.unified_diff(*lines, path.name, f"{path.name} (generated)"))
    return True


def _format_json(policy: object) -> str:
    return json.dumps(policy, indent=2) + "\n"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.iam", description=__doc__)
    parser.add_argument(
        "--write",
        action="store_true",
        help="write recipes/policies/ (default: show the differences)",
    )
    parser.add_argument(
        "--fill",
        nargs=2,
        metavar=("REGION", "ACCOUNT_ID"),
        help="write the policies filled in for an account",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "build" / "policies",
        help="folder for --fill (default: build/policies)",
    )
    for field in fields(AccountNames):
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(
            option, default=field.default, help="name in the account (default: %(default)s)"
        )
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
