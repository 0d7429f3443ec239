-- A member is in from the first join or own act on, out by a leave; only changes of state count.
with moves as (
    @include(moves)
),
@include(changes)
select @d @bucket_of(p.local_day) as bucket, cast(count(*) as bigint) as value
from persons as p
where p.change = 1 and p.communities = 1 and @within(p)
group by @d @bucket_of(p.local_day)
