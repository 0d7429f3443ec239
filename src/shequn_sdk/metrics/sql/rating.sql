select @dims(e) @bucket(e) as bucket, cast(sum(e.value) as double) as numerator, cast(count(*) as bigint) as denominator
from @log as e
where @keep(e) and @within(e) and e.kind = 'feedback' and e.value between @param(lowest) and @param(highest)
group by @group(e) @bucket(e)
