#!/bin/sh
# Turns a new Jetson (or any Debian or Ubuntu machine) into a station of a group, by claim certificate.
#
#   provision.sh account --region REGION --account ACCOUNT_ID --group GROUP --kit DIR
#       once per account and group, and after changes: creates policies, roles, role alias, template and claim
#       certificate, and writes the kit for stations. Needs the AWS command line and administrator rights.
#
#   provision.sh station --thing NAME --group GROUP --nucleus classic|lite --kit DIR
#       on the machine itself, as root: sets up users, nucleus, certificate and group.
#
#   provision.sh claim --rotate|--retire --region REGION --kit DIR
#       --rotate puts a new claim certificate into the kit; kits with the old one go on until --retire, which
#       ends the old one, or the kit's only one: then no machine can become a station with it.
#
# Default: dry run, which shows every command and file; --apply makes the changes. The kit is a folder:
#   fleet.conf claim.pem.crt claim.private.pem.key       written by `account`
#   claim.arn claim.old.arn                              the claim's ARN, for repeated runs of `account`, and the last's
#   AmazonRootCA1.pem                                    the root certificate of AWS IoT
#   greengrass-nucleus.zip fleet-provisioning.jar        for classic: nucleus and fleet provisioning plugin
#   aws-greengrass-lite.deb                              for lite
#   SHA256SUMS                                           of all of these: sha256sum [!S]* >SHA256SUMS
# docs/provisioning.md says where they come from.
set -eu

policies_in=build/policies
role=sightline-token-exchange
provisioning_role=sightline-provisioning
receipts_role=sightline-receipts
receipts_rules="sightline_receipts sightline_receipts_of_gate sightline_receipts_of_gaps"
template=sightline-station
apply=no
command="" region="" account="" group="" kit="" thing="" nucleus="" hook="" root="" way=""
wait_seconds=300
log_days=30
again="run the same command again"

usage() {
    sed -n '2,24s/^# \{0,1\}//p' "$0"
    echo "options: --apply (make the changes; default: dry run), --hook ARN (Lambda that admits stations),"
    echo "         --policies DIR (default: $policies_in), --root DIR (other root folder, for tests)"
}

fail() {
    echo "provision.sh: $1" >&2
    exit 1
}

run() {
    echo "+ $*"
    if [ "$apply" = yes ]; then "$@"; fi
}

# write FILE MODE: standard input becomes the file
write() {
    echo "+ write $1 (mode $2)"
    if [ "$apply" = yes ]; then
        mkdir -p "$(dirname "$1")"
        (umask 077 && cat >"$1.new")
        chmod "$2" "$1.new"
        mv "$1.new" "$1"
    else
        sed 's/^/    /'
    fi
}

# for commands that fail only because it is there already
run_once() {
    echo "+ $*"
    [ "$apply" = yes ] || return 0
    said=$("$@" 2>&1) && return 0
    case "$said" in
    *AlreadyExists* | *BucketAlreadyOwnedByYou*) echo "  already exists" ;;
    *) fail "$said" ;;
    esac
}

setting() {
    sed -n "s/^$1=//p" "$kit/fleet.conf"
}

need() {
    [ -n "$2" ] || fail "$command needs $1; see provision.sh --help"
}

# --- the account ---

prepare_account() {
    need --region "$region"
    need --account "$account"
    need --group "$group"
    need --kit "$kit"
    [ -f "$policies_in/device.json" ] ||
        fail "$policies_in/device.json is missing; run: python -m tools.iam --fill $region $account"
    for policy in device device-streams claim; do
        put_policy "sightline-$policy" "$policies_in/$policy.json"
    done
    run_once aws iam create-role --role-name "$role" \
        --assume-role-policy-document "file://$policies_in/token-exchange-trust.json"
    run aws iam put-role-policy --role-name "$role" --policy-name "$role" \
        --policy-document "file://$policies_in/token-exchange.json"
    run_once aws iot create-role-alias --region "$region" --role-alias "$role" \
        --role-arn "arn:aws:iam::$account:role/$role"
    run_once aws iam create-role --role-name "$provisioning_role" \
        --assume-role-policy-document "file://$policies_in/provisioning-trust.json"
    run aws iam attach-role-policy --role-name "$provisioning_role" \
        --policy-arn arn:aws:iam::aws:policy/service-role/AWSIoTThingsRegistration
    # a station joins the second until the hook, or tools.fleet, names the group of its roll-outs
    for name in "$group" "$group-new"; do
        run_once aws iot create-thing-group --region "$region" --thing-group-name "$name" \
            --thing-group-properties "attributePayload={attributes={sightline-kind=$group}}"
    done
    create_evidence_bucket
    create_log_groups
    create_receipts
    create_template
    create_claim
}

# where stations with `evidence: {kind: s3}` put their pictures; how long they stay is its owner's to say
create_evidence_bucket() {
    bucket="sightline-evidence-$region-$account"
    set -- aws s3api create-bucket --region "$region" --bucket "$bucket"
    [ "$region" = us-east-1 ] || set -- "$@" --create-bucket-configuration "LocationConstraint=$region"
    run_once "$@"
    run aws s3api put-public-access-block --region "$region" --bucket "$bucket" \
        --expected-bucket-owner "$account" --public-access-block-configuration \
        BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
}

# before the first station writes to them: what a station creates itself keeps its lines for ever
create_log_groups() {
    system="/aws/greengrass/GreengrassSystemComponent/$region/System greengrass/systemLogs"
    components="Capture Equipment Inference Publisher Telemetry"
    for component in $components; do
        system="$system /aws/greengrass/UserComponent/$region/com.sightline.$component"
    done
    for log_group in $system; do
        run_once aws logs create-log-group --region "$region" --log-group-name "$log_group"
        run aws logs put-retention-policy --region "$region" --log-group-name "$log_group" \
            --retention-in-days "$log_days"
    done
}

# who tells the stations which of their records arrived; until then a station keeps them and sends them again
create_receipts() {
    run_once aws iam create-role --role-name "$receipts_role" \
        --assume-role-policy-document "file://$policies_in/receipts-trust.json"
    run aws iam put-role-policy --role-name "$receipts_role" --policy-name "$receipts_role" \
        --policy-document "file://$policies_in/receipts.json"
    for rule in $receipts_rules; do
        run_once aws iot create-topic-rule --region "$region" --rule-name "$rule" \
            --topic-rule-payload "file://$policies_in/$rule.rule.json"
        run aws iot replace-topic-rule --region "$region" --rule-name "$rule" \
            --topic-rule-payload "file://$policies_in/$rule.rule.json" # of a rule that was there
    done
}

# put_policy NAME FILE: the policy, or a new version of it in force where the file says something else
put_policy() {
    run_once aws iot create-policy --region "$region" --policy-name "$1" \
        --policy-document "file://$2"
    [ "$apply" = yes ] || return 0
    found=$(aws iot get-policy --region "$region" --policy-name "$1" \
        --query policyDocument --output text)
    if [ "$(without_blanks "$found")" = "$(without_blanks "$(cat "$2")")" ]; then return 0; fi
    # IoT keeps five versions: room is made by the oldest, never by the one in force
    for version in $(aws iot list-policy-versions --region "$region" --policy-name "$1" \
        --query 'reverse(sort_by(policyVersions[?!isDefaultVersion], &createDate))[3:].versionId' \
        --output text); do
        run aws iot delete-policy-version --region "$region" --policy-name "$1" \
            --policy-version-id "$version"
    done
    run aws iot create-policy-version --region "$region" --policy-name "$1" --set-as-default \
        --policy-document "file://$2"
}

without_blanks() {
    printf '%s' "$1" | tr -d '[:space:]'
}

create_template() {
    set -- aws iot create-provisioning-template --region "$region" --template-name "$template" \
        --enabled --provisioning-role-arn "arn:aws:iam::$account:role/$provisioning_role" \
        --template-body "file://$policies_in/provisioning-template.json"
    if [ -z "$hook" ]; then
        echo "# warning: without --hook, the claim certificate can provision any station name"
        run_once "$@"
    else
        asked="payloadVersion=2020-04-01,targetArn=$hook"
        run_once "$@" --pre-provisioning-hook "$asked"
        run aws iot update-provisioning-template --region "$region" --template-name "$template" \
            --pre-provisioning-hook "$asked" # of a template that was there
    fi
}

create_claim() {
    data=DATA_ENDPOINT credential=CREDENTIAL_ENDPOINT certificate=CLAIM_CERTIFICATE_ARN
    if [ "$apply" = yes ]; then
        data=$(endpoint iot:Data-ATS)
        credential=$(endpoint iot:CredentialProvider)
    fi
    [ -d "$kit" ] || run mkdir -p "$kit"
    if [ -f "$kit/claim.pem.crt" ]; then
        echo "# the kit already has a claim certificate"
        [ -f "$kit/claim.arn" ] || fail "$kit has no claim.arn; write the ARN of the claim certificate to this file"
        certificate=$(cat "$kit/claim.arn")
    else
        run_claim claim
    fi
    run aws iot attach-policy --region "$region" --policy-name sightline-claim --target "$certificate"
    write "$kit/fleet.conf" 644 <<EOF
region=$region
data_endpoint=$data
credential_endpoint=$credential
role_alias=$role
template=$template
EOF
}

endpoint() {
    aws iot describe-endpoint --region "$region" --endpoint-type "$1" \
        --query endpointAddress --output text
}

# run_claim NAME: a certificate as NAME.pem.crt, NAME.private.pem.key and NAME.arn of the kit
run_claim() {
    name=$1
    set -- aws iot create-keys-and-certificate --region "$region" --set-as-active \
        --certificate-pem-outfile "$kit/$name.pem.crt" \
        --private-key-outfile "$kit/$name.private.pem.key" \
        --query certificateArn --output text
    echo "+ $*"
    if [ "$apply" = yes ]; then
        certificate=$(umask 077 && "$@")
        chmod 600 "$kit/$name.private.pem.key"
    fi
    write "$kit/$name.arn" 644 <<EOF
$certificate
EOF
}

change_claim() {
    need --region "$region"
    need --kit "$kit"
    [ -f "$kit/claim.arn" ] || fail "$kit has no claim.arn; it is not the kit that \`account\` wrote"
    case "$way" in
    rotate) rotate_claim ;;
    retire) retire_claim ;;
    *) fail "claim needs --rotate or --retire; see provision.sh --help" ;;
    esac
}

# the new one is whole before the old one's files go: what is interrupted can be run again
rotate_claim() {
    [ ! -f "$kit/claim.old.arn" ] || fail "$kit/claim.old.arn is not retired yet; run claim --retire first"
    certificate=CLAIM_CERTIFICATE_ARN
    run_claim claim.new
    run aws iot attach-policy --region "$region" --policy-name sightline-claim --target "$certificate"
    run mv "$kit/claim.arn" "$kit/claim.old.arn"
    for part in private.pem.key pem.crt arn; do
        run mv "$kit/claim.new.$part" "$kit/claim.$part"
    done
    echo "# next: cd $kit && sha256sum [!S]* >SHA256SUMS, hand the kit out, then claim --retire"
}

retire_claim() {
    old="$kit/claim.old.arn"
    [ -f "$old" ] || old="$kit/claim.arn"
    certificate=$(cat "$old")
    number=${certificate##*/}
    run aws iot update-certificate --region "$region" --certificate-id "$number" --new-status INACTIVE
    run aws iot detach-policy --region "$region" --policy-name sightline-claim --target "$certificate"
    run aws iot delete-certificate --region "$region" --certificate-id "$number"
    if [ "$old" = "$kit/claim.arn" ]; then
        run shred --remove "$kit/claim.private.pem.key"
        run rm -f "$kit/claim.pem.crt"
    fi
    run rm -f "$old"
}

# --- the station ---

provision_station() {
    need --thing "$thing"
    need --group "$group"
    need --kit "$kit"
    case "$nucleus" in
    classic) user=ggc_user user_group=ggc_group greengrass="$root/greengrass/v2" ;;
    lite) user=gg_component user_group=gg_component greengrass="$root/var/lib/greengrass" ;;
    *) fail "--nucleus: found '$nucleus'; allowed: classic, lite" ;;
    esac
    check_names
    check_kit
    check_machine
    install_packages
    make_users
    let_users_keep_processors_awake
    place_claim
    "install_$nucleus"
    wait_until_provisioned
    forget_claim
    echo "# $thing is provisioned in $group. With a hook it gets its deployment by itself; without one, next:"
    echo "#   python -m tools.fleet deploy FILE --send"
}

check_names() {
    for name in "$thing" "$group"; do
        case "$name" in
        *[!A-Za-z0-9:_-]*) fail "found the name '$name'; letters, digits, ':', '_' and '-' are allowed" ;;
        -*) fail "found the name '$name'; it must not begin with '-'" ;;
        esac
    done
    case "$thing" in
    '' | *[!0-9]*) ;;
    *) fail "found the thing name '$thing'; digits alone are an epoch or a part in pictures' keys: add a letter" ;;
    esac
}

check_kit() {
    files="fleet.conf claim.pem.crt claim.private.pem.key AmazonRootCA1.pem"
    if [ "$nucleus" = classic ]; then
        files="$files greengrass-nucleus.zip fleet-provisioning.jar"
    else
        files="$files aws-greengrass-lite.deb"
    fi
    [ -f "$kit/SHA256SUMS" ] || fail "$kit has no SHA256SUMS; create it with sha256sum"
    for file in $files; do
        [ -f "$kit/$file" ] || fail "$kit has no $file; see the list of files in provision.sh --help"
        grep -q " [ *]\{0,1\}$file\$" "$kit/SHA256SUMS" || fail "$kit/SHA256SUMS does not list $file"
    done
    (cd "$kit" && sha256sum --check --quiet SHA256SUMS) || fail "files in $kit do not match SHA256SUMS; copy the kit again"
    for key in region data_endpoint credential_endpoint role_alias template; do
        [ -n "$(setting $key)" ] || fail "$kit/fleet.conf has no $key"
    done
}

check_machine() {
    [ "$(uname -s)" = Linux ] || fail "found $(uname -s); a station needs Linux"
    case "$(uname -m)" in
    x86_64 | aarch64) ;;
    *) fail "found $(uname -m); allowed: x86_64, aarch64" ;;
    esac
    if [ "$apply" = yes ] && [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
        fail "--apply needs root"
    fi
    refuse_a_station
}

# a certificate alone is no sign: both nuclei write one before AWS has taken the station on
refuse_a_station() {
    found=$(thing_of_nucleus)
    if [ -d "$greengrass/claim" ] && [ "${found:-$thing}" = "$thing" ]; then
        echo "# continuing an earlier, interrupted run"
    elif [ -n "$found" ] || [ -s "$greengrass/credentials/certificate.pem" ]; then
        fail "$greengrass has a thing name or a certificate: this machine is already a station"
    fi
}

# of Nucleus 2.x: what its log of changes says; it writes effectiveConfig.yaml only as it starts and stops
thing_of_nucleus() {
    sed -n 's/.*"TP":\["system","thingName"\].*"V":"\([^"]*\)".*/\1/p' \
        "$greengrass/config/config.tlog" 2>/dev/null | tail -n 1
}

install_packages() {
    packages="python3 python3-venv"
    [ "$nucleus" = lite ] || packages="$packages default-jre-headless unzip sudo" # by sudo it runs components
    run apt-get update -qq
    # shellcheck disable=SC2086  # a list of words
    run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
    # launch.sh of the components looks for the same names
    run sh -c 'for python in python3 python3.13 python3.12 python3.11 python3.10; do
        "$python" -c "import sys; sys.exit(sys.version_info < (3, 10))" 2>/dev/null && exit 0
    done
    echo "Python 3.10 or later is needed beside the system (docs/jetson-xavier.md)" >&2
    exit 1'
}

make_users() {
    run groupadd --system --force "$user_group"
    id "$user" >/dev/null 2>&1 || run useradd --system --create-home --gid "$user_group" "$user"
    for device_group in video gpio; do
        if getent group "$device_group" >/dev/null 2>&1; then
            run usermod --append --groups "$device_group" "$user"
        else
            echo "# this machine has no group $device_group"
        fi
    done
    run install -d -o "$user" -g "$user_group" -m 755 "$root/var/lib/sightline"
}

# what keepAwakeS of capture asks for; udev gives the device to the group at each start
let_users_keep_processors_awake() {
    write "$root/etc/udev/rules.d/60-sightline.rules" 644 <<EOF
KERNEL=="cpu_dma_latency", GROUP="$user_group", MODE="0660"
EOF
    run udevadm control --reload
    run udevadm trigger --action=add --sysname-match=cpu_dma_latency
}

place_claim() {
    run install -d -m 755 "$greengrass"
    run install -d -m 700 "$greengrass/claim"
    run install -m 600 "$kit/claim.pem.crt" "$kit/claim.private.pem.key" "$greengrass/claim"
    run install -m 644 "$kit/AmazonRootCA1.pem" "$greengrass/AmazonRootCA1.pem"
}

install_classic() {
    installer="$greengrass/installer"
    # one of an earlier attempt would write the same files
    [ ! -f "$root/etc/systemd/system/greengrass.service" ] || run systemctl stop greengrass.service
    run unzip -q -o "$kit/greengrass-nucleus.zip" -d "$installer"
    write "$installer/config.yaml" 600 <<EOF
---
services:
  aws.greengrass.Nucleus:
    configuration:
      interpolateComponentConfiguration: true
  aws.greengrass.FleetProvisioningByClaim:
    configuration:
      rootPath: "$greengrass"
      awsRegion: "$(setting region)"
      iotDataEndpoint: "$(setting data_endpoint)"
      iotCredentialEndpoint: "$(setting credential_endpoint)"
      iotRoleAlias: "$(setting role_alias)"
      provisioningTemplate: "$(setting template)"
      claimCertificatePath: "$greengrass/claim/claim.pem.crt"
      claimCertificatePrivateKeyPath: "$greengrass/claim/claim.private.pem.key"
      rootCaPath: "$greengrass/AmazonRootCA1.pem"
      templateParameters:
        ThingName: "$thing"
        ThingGroupName: "$group"
        RolloutGroupName: "$group-new"
EOF
    run java "-Droot=$greengrass" -Dlog.store=FILE -jar "$installer/lib/Greengrass.jar" \
        --trusted-plugin "$kit/fleet-provisioning.jar" --init-config "$installer/config.yaml" \
        --component-default-user "$user:$user_group" --setup-system-service true
}

install_lite() {
    # the package makes the user of the nucleus itself, ggcore
    run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$kit/aws-greengrass-lite.deb"
    write "$root/etc/greengrass/config.yaml" 644 <<EOF
---
system:
  privateKeyPath: ""
  certificateFilePath: ""
  rootCaPath: ""
  rootPath: "$greengrass"
  thingName: ""
services:
  aws.greengrass.NucleusLite:
    componentType: "NUCLEUS"
    configuration:
      awsRegion: "$(setting region)"
      iotCredEndpoint: ""
      iotDataEndpoint: ""
      iotRoleAlias: "$(setting role_alias)"
      runWithDefault:
        posixUser: "$user:$user_group"
      greengrassDataPlanePort: "8443"
  aws.greengrass.fleet_provisioning:
    configuration:
      iotDataEndpoint: "$(setting data_endpoint)"
      iotCredEndpoint: "$(setting credential_endpoint)"
      rootCaPath: "$greengrass/AmazonRootCA1.pem"
      claimKeyPath: "$greengrass/claim/claim.private.pem.key"
      claimCertPath: "$greengrass/claim/claim.pem.crt"
      templateName: "$(setting template)"
      templateParams:
        ThingName: "$thing"
        ThingGroupName: "$group"
        RolloutGroupName: "$group-new"
EOF
    # the package's own, which is read after config.yaml, lets components run as ggcore
    write "$root/etc/greengrass/config.d/greengrass-lite.yaml" 644 <<EOF
---
services:
  aws.greengrass.NucleusLite:
    configuration:
      runWithDefault:
        posixUser: "$user:$user_group"
EOF
    run chown -R ggcore:ggcore "$greengrass"
    run systemctl stop greengrass-lite.target
    run rm -f "$greengrass/config.db"
    run systemctl start greengrass-lite.target
    run fleet-provisioning || fail "AWS issued no certificate; see journalctl. The claim is kept: $again"
    run systemctl restart greengrass-lite.target
}

wait_until_provisioned() {
    [ "$nucleus" = classic ] || return 0 # fleet-provisioning said so by its exit code
    echo "+ wait for the name $thing in $greengrass/config/config.tlog, at most $wait_seconds s"
    [ "$apply" = yes ] || return 0
    while [ "$(thing_of_nucleus)" != "$thing" ]; do
        [ "$wait_seconds" -gt 0 ] ||
            fail "AWS did not provision $thing; see $greengrass/logs. The claim is kept: $again"
        wait_seconds=$((wait_seconds - 1))
        sleep 1
    done
}

forget_claim() {
    run shred --remove "$greengrass/claim/claim.private.pem.key"
    run rm -rf "$greengrass/claim"
}

# --- the command line ---

case "${1:-}" in
account | station | claim) command=$1 ;;
-h | --help) usage && exit 0 ;;
*)
    usage >&2
    exit 2
    ;;
esac
shift
while [ "$#" -gt 0 ]; do
    case "$1" in
    --apply) apply=yes ;;
    --rotate | --retire) way=${1#--} ;;
    --region | --account | --group | --kit | --thing | --nucleus | --hook | --root | --policies)
        [ "$#" -ge 2 ] || fail "$1 needs a value"
        case "$1" in
        --region) region=$2 ;;
        --account) account=$2 ;;
        --group) group=$2 ;;
        --kit) kit=$2 ;;
        --thing) thing=$2 ;;
        --nucleus) nucleus=$2 ;;
        --hook) hook=$2 ;;
        --root) root=$2 ;;
        --policies) policies_in=$2 ;;
        esac
        shift
        ;;
    *) fail "unknown option $1; see provision.sh --help" ;;
    esac
    shift
done

case "$kit" in
"" | /*) ;;
*) kit="$PWD/$kit" ;; # apt takes kit/NAME.deb for the name of a package
esac
[ "$apply" = yes ] || echo "# dry run: add --apply to make the changes"
case "$command" in
account) prepare_account ;;
claim) change_claim ;;
station) provision_station ;;
esac
