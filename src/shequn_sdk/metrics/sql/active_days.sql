with days as (
    select p.person_no, cast(count(*) as bigint) as active_days from @person_days(0) as p group by p.person_no
)
select @start as bucket, d.active_days, cast(count(*) as bigint) as value
from days as d
group by d.active_days
