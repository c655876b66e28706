update reviews.cycle_accounts known set position = ranked.place

-- An unknown risk comes before a low one.
from (
  select account_id, row_number() over (
    order by
      case risk_level
        when 'critical' then 0
        when 'high' then 1
        when 'low' then 3
        when 'none' then 4
        else 2
      end,
      account_id
  ) - 1 as place
  from reviews.cycle_accounts
  where run_id = :run_id
) ranked

where known.run_id = :run_id and known.account_id = ranked.account_id
