-- What was written to an account is taken out; that it was written stays, as the trail has it.
update reviews.crm_operations

set
  change = null,
  before = '{}',
  after = '{}',
  record = record - 'name' - 'url',
  result = jsonb_set(result - 'before' - 'current', '{record}', record - 'name' - 'url'),
  erased_at = now()

where tenant = :tenant
  and account_id = :account_id
  and erased_at is null
