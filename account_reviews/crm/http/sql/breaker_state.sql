select
    standing, failures, trials, successes,
    extract(epoch from since)::double precision as since,
    extract(epoch from clock_timestamp())::double precision as now

from reviews.api_breakers

where service = :service
  and key = :key
