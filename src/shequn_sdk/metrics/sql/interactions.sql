select @dims(e) @bucket(e) as bucket, cast(count(*) as bigint) as value
from @log as e
where @keep(e) and @active(e) and @within(e)
group by @group(e) @bucket(e)
