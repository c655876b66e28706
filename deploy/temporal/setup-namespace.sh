#!/bin/sh
# Makes the namespace of the reviews: how long closed reviews are kept, and what they are found by.
# Safe to repeat. TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE say where, as for the temporal command.
set -eu

namespace=${TEMPORAL_NAMESPACE:-default}
retention=30d

# A new server, and then a new namespace, need a while until every request finds them.
patiently() {
  tries=30
  until "$@" >/dev/null; do
    tries=$((tries - 1))
    if [ "$tries" -eq 0 ]; then
      echo "gave up: $*" >&2
      return 1
    fi
    sleep 1
  done
}

patiently temporal operator cluster health

if temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1; then
  temporal operator namespace update --namespace "$namespace" --retention "$retention"
else
  temporal operator namespace create --namespace "$namespace" --retention "$retention"
fi

# One at a time: of several, the command leaves out the rest when the first is there already.
while read -r name type; do
  patiently temporal operator search-attribute create \
    --namespace "$namespace" --name "$name" --type "$type"
done <<ATTRIBUTES
Tenant Keyword
AccountId Keyword
OwnerId Keyword
ReviewKind Keyword
ReviewPhase Keyword
ReviewStatus Keyword
RiskLevel Keyword
CycleId Keyword
PendingApprovers KeywordList
ApprovalDueAt Datetime
HealthScore Double
NeedsAttention Bool
ATTRIBUTES

echo "namespace $namespace is ready"
