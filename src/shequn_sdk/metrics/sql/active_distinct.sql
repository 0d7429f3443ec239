select @d @bucket_of(p.local_day) as bucket, cast(count(distinct p.person_no) as bigint) as value
from @person_days(0) as p
group by @d @bucket_of(p.local_day)
