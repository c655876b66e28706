update reviews.api_tokens set
    token = :token,
    api_url = :api_url,
    version = version + 1,
    fetched_at = clock_timestamp(),
    expires_at = cast(:expires_at as timestamptz),
    given_at = cast(:given_at as timestamptz[]),
    asking = null,
    asking_until = null,
    refusal = null,
    refused_at = null

where service = :service
  and key = :key
