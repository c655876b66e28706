-- Every document that a row of any tenant still names.
create temporary table referred_to on commit preserve rows as

select analysis_hash as hash from reviews.review_runs

union

select state #>> '{snapshot,hash}' from reviews.review_runs

union

select state #>> '{memory,hash}' from reviews.review_runs

union

select state #>> '{analysis,hash}' from reviews.review_runs

union

select snapshot_hash from reviews.account_baselines

union

select snapshot ->> 'hash' from reviews.cycle_accounts
