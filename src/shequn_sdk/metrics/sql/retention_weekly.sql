with firsts as (
    select @d f.person_no, @week(f.first_day) as cohort from @first_days as f
),
cohorts as (
    select @d f.cohort, cast(count(*) as bigint) as members from firsts as f
    where f.cohort between @week(@start) and @end group by @d f.cohort
),
weeks as (
    select distinct @d p.person_no, @week(p.local_day) as active_week from @person_days_all as p
),
stays as (
    select @d(f) f.cohort, cast((w.active_week - f.cohort) / 7 as integer) as period, cast(count(*) as bigint) as stayed
    from firsts as f join weeks as w on w.person_no = f.person_no @same(w, f)
    group by @d(f) f.cohort, cast((w.active_week - f.cohort) / 7 as integer)
)
select @d(c) c.cohort as bucket, s.period as period, coalesce(s.stayed, 0) as numerator, c.members as denominator
from cohorts as c left join stays as s on s.cohort = c.cohort @same(s, c)
