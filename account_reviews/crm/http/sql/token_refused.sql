update reviews.api_tokens set
    asking = null,
    asking_until = null,
    refusal = coalesce(:refusal, refusal),
    refused_at = case when :refusal is null then refused_at else clock_timestamp() end

where service = :service
  and key = :key
  and asking = :worker
