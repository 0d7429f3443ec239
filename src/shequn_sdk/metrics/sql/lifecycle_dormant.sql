with units as (
    select distinct @d p.person_no, @bucket_of(p.local_day) as unit, @index_of(p.local_day) as ordinal
    from @person_days_all as p
),
steps as (
    select @d u.person_no, @next_bucket(u.unit) as next_unit, u.ordinal,
        lead(u.ordinal, 1, -9) over (partition by @d u.person_no order by u.ordinal) as later
    from units as u
)
select @d s.next_unit as bucket, cast(count(*) as bigint) as value
from steps as s
where (s.later = -9 or s.later > s.ordinal + 1) and s.next_unit between @bucket_of(@start) and @end
group by @d s.next_unit
