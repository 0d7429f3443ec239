with units as (
    select distinct @d p.person_no, @bucket_of(p.local_day) as unit, @index_of(p.local_day) as ordinal
    from @person_days_all as p
),
firsts as (
    select @d f.person_no, @index_of(f.first_day) as first_ordinal from @first_days as f
),
steps as (
    select @d u.person_no, u.unit, u.ordinal,
        lag(u.ordinal, 1, -9) over (partition by @d u.person_no order by u.ordinal) as earlier
    from units as u
),
states as (
    select @d(s) s.unit, case when f.first_ordinal = s.ordinal then 'new'
        when s.earlier = s.ordinal - 1 then 'returning' else 'resurrected' end as state
    from steps as s join firsts as f on f.person_no = s.person_no @same(f, s)
)
select @d x.unit as bucket, cast(count(*) as bigint) as value
from states as x
where x.state = '@state' and x.unit between @bucket_of(@start) and @end
group by @d x.unit
