select granted, promised, promised_to, wait, reason

from reviews.api_exchange(
    cast(:service as text),
    cast(:key as text),
    cast(:worker as text),
    cast(:concurrency as integer),
    cast(:credits as bigint[]),
    cast(:seconds as double precision[]),
    cast(:ended as uuid[]),
    cast(:unspent as uuid[]),
    cast(:unanswered as uuid[]),
    cast(:unanswered_seconds as double precision),
    cast(:reported as bigint),
    cast(:refused as double precision),
    cast(:wanted as uuid[]),
    cast(:costs as integer[]),
    cast(:people as boolean[]),
    cast(:offered as uuid[]),
    cast(:lease_seconds as double precision)
)
