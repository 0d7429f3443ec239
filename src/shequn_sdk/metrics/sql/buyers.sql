with people as (
    select @dims(e) @bucket(e) as unit, e.person_no, max(case when e.kind = 'purchase' then 1 else 0 end) as bought
    from @log as e
    where @keep(e) and @active(e) and @within(e) and e.person_no is not null
    group by @group(e) @bucket(e), e.person_no
)
select @d p.unit as bucket, cast(sum(p.bought) as bigint) as numerator, cast(count(*) as bigint) as denominator
from people as p
group by @d p.unit
