-- Each active day counts until the person's next active day, at most for the window: one sort, no self join.
with days as (
    select @d p.person_no, p.local_day,
        lead(p.local_day, 1, p.local_day + @window) over (partition by @d p.person_no order by p.local_day) as next_day
    from @person_days(@window) as p
),
steps as (
    select @d days.local_day as step_day, 1 as change from days
    union all
    select @d case when days.next_day < days.local_day + @window
        then days.next_day else days.local_day + @window end as step_day, -1 as change from days
),
changes as (
    select @d s.step_day, cast(sum(s.change) as bigint) as change from steps as s group by @d s.step_day
)
select @d c.step_day as bucket,
    cast(sum(c.change) over (partition by @d 1 order by c.step_day rows unbounded preceding) as bigint) as value
from changes as c
