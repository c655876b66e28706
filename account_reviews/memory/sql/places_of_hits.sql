-- The items that lie under these data ids, or say of themselves that they are these items; of
-- whatever tenant, since a hit of another one is to be known as that.
select
  item.*,
  place.data_id,
  place.dataset_id
from reviews.memory_items as item
left join reviews.memory_places as place on place.item_id = item.id
where place.data_id = any(:data_ids) or item.id = any(:item_ids)
