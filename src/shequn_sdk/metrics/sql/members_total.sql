-- A member is in from the first join or own act on, out by a leave; only changes of state count.
with moves as (
    @include(moves)
    @include(addressed)
),
@include(changes),
@include(flows)
select @d f.local_day as bucket,
    cast(sum(f.change) over (partition by @d 1 order by f.local_day rows unbounded preceding) as bigint) as value
from flows as f
