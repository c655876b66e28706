-- How proposals ended so long ago that no review goes by it.
delete from reviews.proposal_outcomes
where (run_id, change_id) in (
  select run_id, change_id
  from reviews.proposal_outcomes
  where tenant = :tenant
    and at < :outcomes_before
    and account_id <> all(:held)
  limit :batch
)
