with @include(questions),
@include(waits)
select @d t.unit as bucket, @quantile(t.wait, @level) as value, cast(count(t.wait) as bigint) as numerator,
    cast(count(*) as bigint) as denominator
from times as t
group by @d t.unit
