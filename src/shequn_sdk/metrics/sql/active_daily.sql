select @d p.local_day as bucket, cast(p.people as bigint) as value
from @daily_persons as p
