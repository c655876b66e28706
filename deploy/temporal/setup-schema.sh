#!/bin/sh
# Brings the databases of the Temporal server to the schema of this image. Safe to repeat. The
# databases have to be there, and belong to the user.
# Needs: POSTGRES_SEEDS, POSTGRES_USER, SQL_PASSWORD.
set -eu

versions=/etc/temporal/schema/postgresql/v12

tool() {
  temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_SEEDS" -p 5432 -u "$POSTGRES_USER" "$@"
}

setup() {
  tool --db "$1" setup-schema -v 0.0
  tool --db "$1" update-schema -d "$2"
}

setup temporal "$versions/temporal/versioned"
setup temporal_visibility "$versions/visibility/versioned"
