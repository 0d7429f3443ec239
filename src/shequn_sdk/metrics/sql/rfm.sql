with people as (
    select e.person_no, max(e.local_day) as last_day, cast(count(distinct e.local_day) as bigint) as active_days,
        coalesce(sum(case when e.kind = 'purchase' then e.amount when e.kind = 'refund' then -e.amount end), 0) as spent
    from @log as e
    where @keep(e) and @active(e) and @within(e) and e.person_no is not null
    group by e.person_no
),
scored as (
    select p.person_no, p.spent, ntile(5) over (order by p.last_day, p.person_no) as recency,
        ntile(5) over (order by p.active_days, p.person_no) as frequency,
        ntile(5) over (partition by case when p.spent > 0 then 1 else 0 end order by p.spent, p.person_no) as money_rank
    from people as p
),
graded as (
    select s.recency, s.frequency, case when s.spent > 0 then s.money_rank else 0 end as money from scored as s
)
select @start as bucket, g.recency, g.frequency, g.money, cast(count(*) as bigint) as value
from graded as g
group by g.recency, g.frequency, g.money
