select @dims(e) @hour_of_week(e) as bucket, cast(sum(e.events) as bigint) as value
from @hours as e
where @active(e) and @within(e)
group by @group(e) @hour_of_week(e)
having sum(e.events) > 0
