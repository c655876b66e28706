select worker, expires_at

from reviews.api_leases

where service = :service
  and key = :key
  and expires_at > clock_timestamp()

order by taken_at
