update reviews.cycle_accounts known set position = :first + ranked.place

-- Places below zero are those of accounts that were not read, in the order of their risk.
from (
  select account_id, row_number() over (order by position, account_id) - 1 as place
  from reviews.cycle_accounts
  where run_id = :run_id
    and position < 0
    and (cast(:ids as text[]) is null or account_id = any(cast(:ids as text[])))
) ranked

where known.run_id = :run_id and known.account_id = ranked.account_id
