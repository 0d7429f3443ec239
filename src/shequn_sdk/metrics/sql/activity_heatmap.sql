select @dims(e) @hour_of_week(e) as bucket, cast(@events(e) as bigint) as value
from @hours as e
where @active(e) and @within(e)
group by @group(e) @hour_of_week(e)
having @events(e) > 0
