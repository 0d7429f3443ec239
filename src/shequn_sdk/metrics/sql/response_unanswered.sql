with @include(questions),
@include(waits)
select @d t.unit as bucket, cast(count(*) - count(t.wait) as bigint) as numerator, cast(count(*) as bigint) as denominator
from times as t
group by @d t.unit
