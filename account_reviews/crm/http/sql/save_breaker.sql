insert into reviews.api_breakers
    (service, key, standing, since, failures, trials, successes)

values (:service, :key, :standing, to_timestamp(:since), :failures, :trials, :successes)

on conflict (service, key) do update set
    standing = excluded.standing,
    since = excluded.since,
    failures = excluded.failures,
    trials = excluded.trials,
    successes = excluded.successes
