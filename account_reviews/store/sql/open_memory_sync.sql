insert into reviews.memory_syncs (sync_id, tenant, type, status, started_by, started_at)
values (:sync_id, :tenant, :type, 'pending', :started_by, :started_at)
on conflict (sync_id) do nothing
