-- A member lapses on the day on which the silence has lasted the given weeks, or goes at once by leaving.
with days as (
    select @d p.person_no, p.local_day as seen_day,
        lead(p.local_day, 1, p.local_day) over (partition by @d p.person_no order by p.local_day) as next_day
    from @person_days_all as p
),
leaves as (
    select @dims(e) e.person_no, e.local_day as gone_day from @log as e
    where @keep(e) and @until(e) and e.person_no is not null and e.kind in ('leave', 'unfollow')
    group by @group(e) e.person_no, e.local_day
),
silences as (
    select @d y.person_no, y.seen_day, y.seen_day + @param(weeks) * 7 as lapse_day from days as y
    where y.next_day = y.seen_day or y.next_day > y.seen_day + @param(weeks) * 7
),
left_before as (
    select distinct @d(s) s.person_no, s.seen_day from silences as s join leaves as l on l.person_no = s.person_no @same(l, s)
        and l.gone_day between s.seen_day and s.lapse_day
),
ends as (
    select @d(s) s.person_no, s.lapse_day as end_day from silences as s
    left join left_before as b on b.person_no = s.person_no and b.seen_day = s.seen_day @same(b, s)
    where b.person_no is null and s.lapse_day <= cast($mature as date)
    union all
    select @d l.person_no, l.gone_day as end_day from leaves as l
)
select @d @bucket_of(x.end_day) as bucket, cast(count(distinct x.person_no) as bigint) as value
from ends as x
where x.end_day between @start and @end
group by @d @bucket_of(x.end_day)
