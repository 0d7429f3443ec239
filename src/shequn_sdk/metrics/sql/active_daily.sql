select @d p.local_day as bucket, cast(count(*) as bigint) as value
from @person_days(0) as p
group by @d p.local_day
