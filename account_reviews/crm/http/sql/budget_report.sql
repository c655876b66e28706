select
    b.service, b.key, b.concurrency, b.credits, b.seconds, b.remaining, b.remaining_at,
    case when b.paused_until > clock_timestamp() then b.paused_until end as paused_until,

    array(
        select reviews.api_used(b.service, b.key, one.seconds, clock_timestamp())
        from unnest(b.seconds) with ordinality as one (seconds, place)
        order by one.place
    ) as used,

    (
        select count(*) from reviews.api_leases as l
        where l.service = b.service and l.key = b.key and l.expires_at > clock_timestamp()
    ) as in_use,

    (
        select coalesce(sum(w.people), 0) from reviews.api_waiting as w
        where w.service = b.service and w.key = b.key
          and w.seen_at > clock_timestamp() - interval '3 seconds'
    ) as people,

    (
        select coalesce(sum(w.schedules), 0) from reviews.api_waiting as w
        where w.service = b.service and w.key = b.key
          and w.seen_at > clock_timestamp() - interval '3 seconds'
    ) as schedules

from reviews.api_budgets as b

where (b.service = :service or cast(:service as text) is null)
  and (b.key = :key or cast(:key as text) is null)
  and b.used_at > clock_timestamp() - interval '1 day'

order by b.service, b.used_at desc
