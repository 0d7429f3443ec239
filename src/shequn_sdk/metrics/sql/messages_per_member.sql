with people as (
    select @dims(e) @bucket(e) as unit, e.person_no, cast(count(*) as bigint) as messages from @log as e
    where @keep(e) and @within(e) and e.person_no is not null
        and e.kind in ('message', 'comment', 'question', 'answer')
    group by @group(e) @bucket(e), e.person_no
)
select @d p.unit as bucket, cast(sum(p.messages) as bigint) as numerator, cast(count(*) as bigint) as denominator
from people as p
group by @d p.unit
