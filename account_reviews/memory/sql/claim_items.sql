-- Items that nobody else hands over now, and that are not in this dataset yet. Whoever gets them
-- has them until the claim ends. What is known of another dataset counts no more.
insert into reviews.memory_places as place (item_id, dataset_id, state, claimed_until)
select item.id, :dataset, 'sent', now() + :seconds * interval '1 second'
from reviews.memory_items as item
where item.id = any(:ids)

on conflict (item_id) do update set
  claimed_until = excluded.claimed_until,
  changed_at = now(),
  dataset_id = excluded.dataset_id,
  data_id = case when place.dataset_id = excluded.dataset_id then place.data_id end,
  state = case when place.dataset_id = excluded.dataset_id then place.state else 'sent' end
where
  (place.state <> 'stored' or place.dataset_id <> excluded.dataset_id)
  and (place.claimed_until is null or place.claimed_until < now())

returning
  item_id,
  data_id,
  state,
  xmax = 0 as is_new
