select item.id
from reviews.memory_items as item
left join reviews.memory_places as place
  on place.item_id = item.id and place.dataset_id = :dataset
where item.tenant = :tenant
  and (place.item_id is null or place.state <> 'stored')
  and (place.claimed_until is null or place.claimed_until < now())
order by item.recorded_at
limit :most
