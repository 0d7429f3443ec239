-- By how many members a day changed the whole.
flows as (
    select @d p.local_day, cast(sum(case when p.change = 1 and p.communities = 1 then 1
        when p.change = -1 and p.communities = 0 then -1 else 0 end) as bigint) as change
    from persons as p
    group by @d p.local_day
)
