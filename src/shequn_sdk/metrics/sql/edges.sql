-- Who paid attention to whom: the actor's act points at the author of what it answers, or at the addressed member.
with authors as (
    select e.content_no, min(e.person_no) as author from @log as e
    where @keep(e) and e.kind in ('message', 'comment', 'question', 'answer', 'share')
        and e.content_no is not null and e.person_no is not null
    group by e.content_no
),
acts as (
    select e.person_no as source, a.author as aim, e.kind as act from @log as e join authors as a
        on a.content_no = case when e.kind in ('reaction', 'vote') then e.content_no else e.parent_no end
    where @keep(e) and @within(e) and e.person_no is not null
        and e.kind in ('reaction', 'comment', 'message', 'question', 'answer', 'share')
    union all
    select e.person_no as source, t.person_no as aim, 'aimed' as act from @log as e
    join members as t on t.member_no = e.target_no
    left join authors as a on a.content_no = case when e.kind = 'reaction' then e.content_no else e.parent_no end
    where @keep(e) and @within(e) and e.person_no is not null and a.author is null and not t.is_bot
        and e.kind in ('reaction', 'comment', 'message', 'question', 'answer', 'share', 'mention')
)
select @start as bucket, x.source, x.aim, x.act, cast(count(*) as bigint) as acts
from acts as x
where x.source <> x.aim
group by x.source, x.aim, x.act
