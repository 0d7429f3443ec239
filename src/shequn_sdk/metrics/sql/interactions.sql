select @dims(e) @bucket(e) as bucket, cast(@events(e) as bigint) as value
from @hours as e
where @active(e) and @within(e)
group by @group(e) @bucket(e)
having @events(e) > 0
