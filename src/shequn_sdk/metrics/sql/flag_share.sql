select @dims(e) @bucket(e) as bucket, cast(sum(case when e.is_@flag then 1 else 0 end) as bigint) as numerator,
    cast(count(*) as bigint) as denominator
from @log as e
where @scope(e) and @within(e) and not e.is_bot and @spam_rule
    and e.kind in ('message', 'comment', 'question', 'answer')
group by @group(e) @bucket(e)
