insert into reviews.memory_datasets (tenant, service, dataset_id)
values (:tenant, :service, :dataset)
on conflict (tenant, service) do update set
  dataset_id = excluded.dataset_id,
  noted_at = now()
