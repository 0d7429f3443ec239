select @dims(e) @hour_of_week(e) as bucket, cast(count(*) as bigint) as value
from @log as e
where @keep(e) and @active(e) and @within(e)
group by @group(e) @hour_of_week(e)
