-- Flags of detectors come with the message, those of moderators as events of their own.
select @dims(e) @bucket(e) as bucket,
    cast(sum(case when e.is_@flag or f.content_no is not null then 1 else 0 end) as bigint) as numerator,
    cast(count(*) as bigint) as denominator
from @log as e
left join (
    select distinct m.content_no from @log as m
    where @scope(m) and m.kind = 'moderation' and m.is_@flag and m.content_no is not null
) as f on f.content_no = e.content_no
@spam_join
where @scope(e) and @within(e) and (@param(include_bots) or not e.is_bot) and @spam_rule
    and e.kind in ('message', 'comment', 'question', 'answer')
group by @group(e) @bucket(e)
