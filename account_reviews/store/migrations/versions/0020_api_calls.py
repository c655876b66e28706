"""What workers share of services behind HTTP: tokens, budgets, breakers.

A row of each stands for one service and one credential, called `key`.
"""

from alembic import op

revision = "0020_api_calls"
down_revision = "0019_operations"
branch_labels = None
depends_on = None

TABLES = (
    """
    create table reviews.api_tokens (
        service text not null,
        key text not null,
        token bytea,
        api_url text,
        version bigint not null default 0,
        fetched_at timestamptz,
        expires_at timestamptz,
        asked_at timestamptz[] not null default '{}',
        given_at timestamptz[] not null default '{}',
        asking text,
        asking_until timestamptz,
        refusal text,
        refused_at timestamptz,
        primary key (service, key)
    )
    """,
    """
    create table reviews.api_breakers (
        service text not null,
        key text not null,
        standing text not null,
        since timestamptz not null,
        failures integer not null,
        trials integer not null,
        successes integer not null,
        primary key (service, key)
    )
    """,
    """
    create table reviews.api_budgets (
        service text not null,
        key text not null,
        concurrency integer not null,
        credits bigint[] not null,
        seconds double precision[] not null,
        remaining bigint,
        remaining_at timestamptz,
        paused_until timestamptz not null default '-infinity',
        pause_seconds double precision not null default 0,
        late_at timestamptz not null default '-infinity',
        used_at timestamptz not null,
        primary key (service, key)
    )
    """,
    """
    create table reviews.api_leases (
        id uuid primary key,
        service text not null,
        key text not null,
        worker text not null,
        people boolean not null,
        credits integer not null,
        next_credits integer,
        taken_at timestamptz not null,
        expires_at timestamptz not null
    )
    """,
    "create index api_leases_budget on reviews.api_leases (service, key)",
    """
    create table reviews.api_credits (
        service text not null,
        key text not null,
        seconds double precision not null,
        slot timestamptz not null,
        credits bigint not null,
        primary key (service, key, seconds, slot)
    )
    """,
    """
    create table reviews.api_waiting (
        service text not null,
        key text not null,
        worker text not null,
        people integer not null,
        schedules integer not null,
        people_since timestamptz,
        schedules_since timestamptz,
        seen_at timestamptz not null,
        primary key (service, key, worker)
    )
    """,
)

FUNCTIONS = (
    # Credits that were spent count until a window after their slot: hundredths of the window are
    # told apart, and the last of a slot counts as its end.
    """
    create function reviews.api_charge(
        a_service text, a_key text, all_seconds double precision[], spent bigint,
        moment timestamptz
    ) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    declare
        width double precision;
        window_seconds double precision;
    begin
        foreach window_seconds in array all_seconds loop
            width := window_seconds / 100;
            insert into reviews.api_credits as c (service, key, seconds, slot, credits)
            values (a_service, a_key, window_seconds,
                to_timestamp(ceil(extract(epoch from moment)::double precision / width) * width),
                spent)
            on conflict (service, key, seconds, slot)
            do update set credits = c.credits + excluded.credits;
            delete from reviews.api_credits
            where service = a_service and key = a_key and seconds = window_seconds
            and slot < moment - make_interval(secs => window_seconds);
        end loop;
    end $$
    """,
    # What calls under way and those of the window cost.
    """
    create function reviews.api_used(
        a_service text, a_key text, window_seconds double precision, moment timestamptz
    ) returns bigint
    language sql stable set search_path = pg_catalog, pg_temp as $$
        select
            coalesce((select sum(credits + coalesce(next_credits, 0)) from reviews.api_leases
                where service = a_service and key = a_key), 0)::bigint
            + coalesce((select sum(credits) from reviews.api_credits
                where service = a_service and key = a_key and seconds = window_seconds
                and slot >= moment - make_interval(secs => window_seconds)), 0)::bigint
    $$
    """,
    # Seconds until so many credits are free again; null when calls under way hold them.
    """
    create function reviews.api_freed_in(
        a_service text, a_key text, window_seconds double precision, needed bigint,
        moment timestamptz
    ) returns double precision
    language sql stable set search_path = pg_catalog, pg_temp as $$
        select extract(epoch from
            slot + make_interval(secs => window_seconds) - moment)::double precision + 0.01
        from (
            select slot, sum(credits) over (order by slot) as freed from reviews.api_credits
            where service = a_service and key = a_key and seconds = window_seconds
            and slot >= moment - make_interval(secs => window_seconds)
        ) as one
        where freed >= needed order by slot limit 1
    $$
    """,
    # Seconds for which one more call has to wait for credits: 0 for none, -1 for a while that
    # nobody knows. Schedules leave a twentieth of each window to people.
    """
    create function reviews.api_short_of_credits(
        a_service text, a_key text, all_credits bigint[], all_seconds double precision[],
        cost integer, for_people boolean, moment timestamptz
    ) returns double precision
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
    declare
        allowed bigint;
        missing bigint;
    begin
        for n in 1 .. cardinality(all_credits) loop
            allowed := all_credits[n] - case when for_people then 0 else all_credits[n] / 20 end;
            missing := cost - allowed
                + reviews.api_used(a_service, a_key, all_seconds[n], moment);
            if missing > 0 then
                return coalesce(
                    reviews.api_freed_in(a_service, a_key, all_seconds[n], missing, moment), -1);
            end if;
        end loop;
        return 0;
    end $$
    """,
    # How many other workers come first: they wait for the same, and have fewer places, or no more
    # and have waited for a second without getting any, longer than this one.
    """
    create function reviews.api_others_first(
        a_service text, a_key text, a_worker text, own_places bigint, for_people boolean,
        own_since timestamptz, moment timestamptz
    ) returns bigint
    language sql stable set search_path = pg_catalog, pg_temp as $$
        with held as (
            select worker, count(*) as places from reviews.api_leases
            where service = a_service and key = a_key group by worker
        )
        select count(*)
        from reviews.api_waiting as other
        left join held as theirs on theirs.worker = other.worker
        cross join lateral (
            select case when for_people then people_since else schedules_since end as since
        ) as waited
        where other.service = a_service and other.key = a_key and other.worker <> a_worker
        and other.seen_at > moment - interval '3 seconds' and waited.since is not null
        and (
            coalesce(theirs.places, 0) < own_places
            or (
                coalesce(theirs.places, 0) = own_places
                and waited.since < moment - interval '1 second'
                and waited.since < own_since
            )
        )
    $$
    """,
    # After a refusal nobody asks for a while: as long as the service says, else a second, and
    # twice as long each time it refuses again within a minute.
    """
    create function reviews.api_pause(
        a_service text, a_key text, asked double precision, moment timestamptz
    ) returns void
    language sql set search_path = pg_catalog, pg_temp as $$
        update reviews.api_budgets set
            pause_seconds = case
                when paused_until > moment then pause_seconds
                when paused_until > moment - interval '1 minute'
                    then least(greatest(pause_seconds, 0.5) * 2, 60)
                else 1 end,
            paused_until = greatest(paused_until, moment + make_interval(secs => case
                when asked > 0 then asked
                when paused_until > moment then 0
                when paused_until > moment - interval '1 minute'
                    then least(greatest(pause_seconds, 0.5) * 2, 60)
                else 1 end))
        where service = a_service and key = a_key
    $$
    """,
)

# Gives places back and takes others, in one statement for all calls of a worker. `offered` are
# leases whose call is under way: one more call of people may be promised each, to begin when that
# has ended, so that nobody has to ask in between. `unspent`: what was granted or promised last was
# not used.
EXCHANGE = """
    create function reviews.api_exchange(
        a_service text, a_key text, a_worker text,
        max_calls integer, all_credits bigint[], all_seconds double precision[],
        ended uuid[], unspent uuid[], unanswered uuid[], unanswered_seconds double precision,
        reported bigint, refused double precision,
        wanted uuid[], costs integer[], for_people boolean[],
        offered uuid[], lease_seconds double precision
    ) returns table (
        granted uuid[], promised uuid[], promised_to uuid[], wait double precision, reason text
    )
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    declare
        budget reviews.api_budgets;
        own reviews.api_waiting;
        moment timestamptz;
        spent bigint;
        free bigint;
        places bigint;
        since timestamptz;
        short double precision;
        late integer;
        turn integer[];
        n integer;
        people_wait boolean;
        late_elsewhere integer;
        left_people integer := (select count(*) from unnest(for_people) as one where one);
        left_schedules integer := cardinality(wanted) - left_people;
        got_schedules boolean := false;
        got_people boolean := false;
    begin
        perform pg_advisory_xact_lock(hashtextextended('api ' || a_service || ' ' || a_key, 0));
        moment := clock_timestamp();
        granted := '{}';
        promised := '{}';
        promised_to := '{}';
        select * into budget from reviews.api_budgets where service = a_service and key = a_key;
        if budget.service is null or budget.used_at < moment - interval '1 minute'
            or (budget.concurrency, budget.credits, budget.seconds) is distinct from
                (max_calls, all_credits, all_seconds)
        then
            insert into reviews.api_budgets (service, key, concurrency, credits, seconds, used_at)
            values (a_service, a_key, max_calls, all_credits, all_seconds, moment)
            on conflict (service, key) do update set
                concurrency = max_calls, credits = all_credits, seconds = all_seconds,
                used_at = moment;
        end if;

        -- What came back, and what nobody will bring back.
        with gone as (
            delete from reviews.api_leases
            where service = a_service and key = a_key
            and (id = any (ended) or expires_at <= moment)
            returning case
                when id <> all (unspent) then credits + coalesce(next_credits, 0)
                when next_credits is null then 0
                else credits end as credits
        ) select coalesce(sum(credits), 0) into spent from gone;
        if spent > 0 then
            perform reviews.api_charge(a_service, a_key, all_seconds, spent, moment);
        end if;
        update reviews.api_leases
        set expires_at = moment + make_interval(secs => unanswered_seconds)
        where id = any (unanswered);

        -- What the service said.
        if refused is not null then
            perform reviews.api_pause(a_service, a_key, refused, moment);
        end if;
        if reported is not null then
            update reviews.api_budgets set remaining = reported, remaining_at = moment
            where service = a_service and key = a_key;
            if cardinality(all_credits) > 0 then
                spent := all_credits[1] - reported
                    - reviews.api_used(a_service, a_key, all_seconds[1], moment);
                if spent > 0 then
                    perform reviews.api_charge(a_service, a_key, all_seconds[1:1], spent, moment);
                end if;
            end if;
        end if;

        -- Who gets a place.
        select * into budget from reviews.api_budgets where service = a_service and key = a_key;
        select * into own from reviews.api_waiting
        where service = a_service and key = a_key and worker = a_worker;
        select
            max_calls - count(*), count(*) filter (where worker = a_worker)
        into free, places
        from reviews.api_leases where service = a_service and key = a_key;
        offered := array(
            select one from unnest(offered) as one
            where exists (select from reviews.api_leases where id = one));
        if cardinality(wanted) > 0 and budget.paused_until > moment then
            wait := extract(epoch from budget.paused_until - moment);
            reason := 'paused';
        elsif cardinality(wanted) > 0 then
            -- A call of schedules that waited for ten seconds goes first, one a second.
            select
                coalesce(bool_or(people > 0), false),
                coalesce(bool_or(schedules_since < moment - interval '10 seconds'
                    and budget.late_at < moment - interval '1 second'), false)::integer
            into people_wait, late_elsewhere
            from reviews.api_waiting where service = a_service and key = a_key
            and worker <> a_worker and seen_at > moment - interval '3 seconds';
            late := case when own.schedules_since < moment - interval '10 seconds'
                and budget.late_at < moment - interval '1 second'
                then array_position(for_people, false) end;
            turn := array(
                select place from generate_series(1, cardinality(wanted)) as place
                order by place is distinct from late, not for_people[place], place);
            foreach n in array turn loop
                exit when free <= 0 and cardinality(offered) = 0;
                continue when not for_people[n] and people_wait and n is distinct from late;
                since := case when for_people[n] then own.people_since
                    else own.schedules_since end;
                short := reviews.api_short_of_credits(a_service, a_key, all_credits,
                    all_seconds, costs[n], for_people[n], moment);
                if short <> 0 then
                    wait := nullif(short, -1);
                    reason := 'credits';
                    exit;
                end if;
                if free > (case when n = late then 0 else late_elsewhere
                    + reviews.api_others_first(a_service, a_key, a_worker, places,
                        for_people[n], since, moment) end)
                then
                    insert into reviews.api_leases
                        (id, service, key, worker, people, credits, taken_at, expires_at)
                    values (wanted[n], a_service, a_key, a_worker, for_people[n], costs[n],
                        moment, moment + make_interval(secs => lease_seconds));
                    granted := granted || wanted[n];
                    free := free - 1;
                    places := places + 1;
                elsif cardinality(offered) > 0 and late is null and late_elsewhere = 0
                    and for_people[n]
                    and reviews.api_others_first(a_service, a_key, a_worker, places - 1,
                        for_people[n], since, moment) = 0
                then
                    select next_credits into spent from reviews.api_leases where id = offered[1];
                    if spent is not null then  -- the call before has ended, or none were offered
                        select credits into spent from reviews.api_leases where id = offered[1];
                        perform reviews.api_charge(a_service, a_key, all_seconds, spent, moment);
                    end if;
                    update reviews.api_leases set
                        credits = coalesce(next_credits, credits), next_credits = costs[n],
                        expires_at = moment + make_interval(secs => lease_seconds),
                        taken_at = case when next_credits is null then taken_at else moment end
                    where id = offered[1];
                    promised := promised || offered[1];
                    promised_to := promised_to || wanted[n];
                    offered := offered[2:];
                else
                    exit;
                end if;
                if n = late then
                    update reviews.api_budgets set late_at = moment
                    where service = a_service and key = a_key;
                    late := null;
                end if;
                if for_people[n] then
                    left_people := left_people - 1;
                    got_people := true;
                else
                    left_schedules := left_schedules - 1;
                    got_schedules := true;
                end if;
            end loop;
        end if;

        -- Who waits on.
        if left_people + left_schedules = 0 then
            delete from reviews.api_waiting
            where service = a_service and key = a_key and worker = a_worker;
        elsif own.worker is null or got_people or got_schedules
            or own.seen_at < moment - interval '1 second'
            or (own.people, own.schedules) is distinct from (left_people, left_schedules)
        then
            insert into reviews.api_waiting
                (service, key, worker, people, schedules, people_since, schedules_since, seen_at)
            values (a_service, a_key, a_worker, left_people, left_schedules,
                case when left_people = 0 then null
                    when got_people then moment else coalesce(own.people_since, moment) end,
                case when left_schedules = 0 then null
                    when got_schedules then moment else coalesce(own.schedules_since, moment) end,
                moment)
            on conflict (service, key, worker) do update set
                people = excluded.people, schedules = excluded.schedules,
                people_since = excluded.people_since, schedules_since = excluded.schedules_since,
                seen_at = excluded.seen_at;
        end if;
        -- What only gives back may be lost with the server: the lease then ends by itself.
        if cardinality(granted) + cardinality(promised) = 0 then
            perform set_config('synchronous_commit', 'off', true);
        end if;
        return next;
    end $$
    """


def upgrade() -> None:
    """Create the tables and what gives out places for calls."""
    for statement in (*TABLES, *FUNCTIONS, EXCHANGE):
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    op.execute(
        "drop function reviews.api_exchange, reviews.api_pause, reviews.api_others_first, "
        "reviews.api_short_of_credits, reviews.api_freed_in, reviews.api_used, reviews.api_charge"
    )
    op.execute(
        "drop table reviews.api_waiting, reviews.api_credits, reviews.api_leases, "
        "reviews.api_budgets, reviews.api_breakers, reviews.api_tokens"
    )
