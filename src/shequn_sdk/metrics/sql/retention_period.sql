with units as (
    select distinct @d p.person_no, @bucket_of(p.local_day) as unit, @index_of(p.local_day) as ordinal
    from @person_days_all as p
),
steps as (
    select @d @next_bucket(u.unit) as next_unit, case when lead(u.ordinal, 1, -9)
        over (partition by @d u.person_no order by u.ordinal) = u.ordinal + 1 then 1 else 0 end as stayed
    from units as u
)
select @d s.next_unit as bucket, cast(sum(s.stayed) as bigint) as numerator, cast(count(*) as bigint) as denominator
from steps as s
where s.next_unit between @bucket_of(@start) and @end
group by @d s.next_unit
