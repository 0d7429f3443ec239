-- Money is graded within its currency, or converted by given rates: amounts of two currencies are never added as they are.
with people as (
    select e.person_no, max(e.local_day) as last_day, cast(count(distinct e.local_day) as bigint) as active_days
    from @log as e
    where @keep(e) and @active(e) and @within(e) and e.person_no is not null
    group by e.person_no
),
amounts as (
    select e.person_no, @purse(e.currency) as purse,
        sum(case when e.kind = 'purchase' then cast(e.amount as decimal(38, 4)) else -cast(e.amount as decimal(38, 4)) end
            * @rate(e.currency)) as spent,
        max(case when @rate(e.currency) is null then e.currency end) as unpriced
    from @log as e
    where @keep(e) and @within(e) and e.person_no is not null and e.kind in ('purchase', 'refund') and e.amount is not null
    group by e.person_no, @purse(e.currency)
),
ranked as (
    select a.person_no, ntile(5) over (partition by a.purse order by a.spent, a.person_no) as grade
    from amounts as a where a.spent > 0
),
payers as (
    select r.person_no, max(r.grade) as grade from ranked as r group by r.person_no
),
scored as (
    select p.person_no, ntile(5) over (order by p.last_day, p.person_no) as recency,
        ntile(5) over (order by p.active_days, p.person_no) as frequency
    from people as p
),
graded as (
    select s.recency, s.frequency, coalesce(y.grade, 0) as money
    from scored as s left join payers as y on y.person_no = s.person_no
),
missing as (
    select max(a.unpriced) as unpriced from amounts as a
)
select @start as bucket, g.recency, g.frequency, g.money, max(m.unpriced) as unpriced, cast(count(*) as bigint) as value
from graded as g cross join missing as m
group by g.recency, g.frequency, g.money
