select
    token, api_url, expires_at, asked_at, given_at, asking_until, refusal, refused_at,
    clock_timestamp() as now

from (select) as always
left join reviews.api_tokens on service = :service and key = :key
