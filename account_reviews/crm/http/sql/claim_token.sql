insert into reviews.api_tokens (service, key, asked_at, asking, asking_until)

values (
    :service, :key, cast(:asked_at as timestamptz[]), :worker, cast(:until as timestamptz)
)

on conflict (service, key) do update set
    asked_at = excluded.asked_at,
    asking = excluded.asking,
    asking_until = excluded.asking_until
