with hours as (
    select distinct e.person_no, e.local_day, e.local_hour from @log as e
    where @keep(e) and @active(e) and @within(e) and e.person_no is not null
)
select @hour_of_week(h) as bucket, cast(count(*) as bigint) as numerator
from hours as h
group by @hour_of_week(h)
