#!/bin/sh
# Makes the logins and databases: one login for Temporal, one that owns the tables of reviews, one for
# workers, who own nothing. Safe to repeat; passwords that changed are set.
# Needs psql and PGHOST, PGUSER, PGPASSWORD of somebody who may make roles, then
# TEMPORAL_DB_PASSWORD, REVIEWS_OWNER_PASSWORD, REVIEWS_WORKER_PASSWORD.
set -eu

: "${TEMPORAL_DB_PASSWORD:?}" "${REVIEWS_OWNER_PASSWORD:?}" "${REVIEWS_WORKER_PASSWORD:?}"

psql -X -q -v ON_ERROR_STOP=1 -d postgres <<'SQL'
\getenv temporal TEMPORAL_DB_PASSWORD
\getenv owner REVIEWS_OWNER_PASSWORD
\getenv worker REVIEWS_WORKER_PASSWORD

select format('create role %I login', name)
from unnest(array['temporal', 'reviews_owner', 'worker']) name where to_regrole(name) is null
\gexec
select format('create role %I nologin', name)
from unnest(array['reviews_worker', 'audit_writer']) name where to_regrole(name) is null
\gexec
alter role temporal password :'temporal';
alter role reviews_owner password :'owner';
alter role worker password :'worker';
grant reviews_worker, audit_writer to worker;

select format('create database %I owner %I', name, owner)
from (values ('temporal', 'temporal'), ('temporal_visibility', 'temporal'),
    ('reviews', 'reviews_owner')) wanted (name, owner)
where not exists (select from pg_database where datname = name)
\gexec
revoke all on database temporal, temporal_visibility, reviews from public;
grant connect on database reviews to worker;
SQL
echo "logins and databases are ready"
