-- A run that has ended waits a minute at most for its last notices: nobody tries them after that.
select
  delivery.key, delivery.kind, delivery.about, delivery.level, delivery.channel,
  delivery.recipient, delivery.name, delivery.attempts, delivery.begun_at, delivery.ended_at,
  delivery.error,
  case
    when delivery.state = 'trying' and run.closed_at < now() - interval '2 minutes' then 'failed'
    else delivery.state
  end as state

from reviews.notification_deliveries delivery
left join reviews.review_runs run on run.run_id = delivery.run_id

where delivery.tenant = :tenant
  and delivery.about = any(:about)

order by coalesce(delivery.ended_at, delivery.begun_at), delivery.recipient, delivery.channel
