select
  key, kind, about, level, channel, recipient, name, state, attempts, begun_at, ended_at, error

from reviews.notification_deliveries

where tenant = :tenant
  and about = any(:about)

order by coalesce(ended_at, begun_at), recipient, channel
