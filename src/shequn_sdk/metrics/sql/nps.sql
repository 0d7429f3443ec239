select @dims(e) @bucket(e) as bucket,
    cast(sum(case when e.value >= @param(promoter_from) then 1 else 0 end) as bigint) as promoters,
    cast(sum(case when e.value <= @param(detractor_to) then 1 else 0 end) as bigint) as detractors,
    cast(count(*) as bigint) as ratings
from @log as e
where @keep(e) and @within(e) and e.kind = 'feedback' and e.value between @param(lowest) and @param(highest)
group by @group(e) @bucket(e)
