update reviews.memory_places as place set
  state = :state,
  data_id = coalesce(told.data_id, place.data_id),
  changed_at = now(),
  claimed_until = case when :state = 'stored' then null else place.claimed_until end
from unnest(cast(:ids as uuid[]), cast(:data_ids as text[])) as told (item_id, data_id)
where place.item_id = told.item_id
returning place.item_id
