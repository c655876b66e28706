select
    expires_at,
    (
        select count(*) from unnest(asked_at) as asked
        where asked > clock_timestamp() - interval '10 minutes'
    ) as refreshes

from reviews.api_tokens

where service = :service

order by coalesce(fetched_at, asking_until) desc nulls last

limit 1
