#!/bin/sh
# Writes a file with a new password for every login of docker-compose.yml, for you alone to read.
# Usage: sh deploy/passwords.sh [FILE]; .env when it is left out. A file that is there stays.
set -eu

file=${1:-.env}
umask 077
set -C
{
  for name in POSTGRES_PASSWORD TEMPORAL_DB_PASSWORD REVIEWS_OWNER_PASSWORD \
    REVIEWS_WORKER_PASSWORD GRAFANA_PASSWORD; do
    printf '%s=%s\n' "$name" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"
  done
} >"$file"
echo "passwords are in $file"
