with said as (
    select @dims(e) e.content_no, min(@bucket(e)) as unit, min(e.person_no) as author from @log as e
    where @keep(e) and @within(e) and e.content_no is not null and e.person_no is not null
        and e.kind in ('message', 'question')
    group by @group(e) e.content_no
),
heard as (
    select case when e.kind = 'reaction' then e.content_no else e.parent_no end as post_no, e.person_no
    from @log as e
    where @keep(e) and e.person_no is not null
        and e.kind in ('reaction', 'comment', 'message', 'question', 'answer', 'share')
),
met as (
    select distinct s.content_no from said as s join heard as h on h.post_no = s.content_no and h.person_no <> s.author
)
select @d(s) s.unit as bucket, cast(count(m.content_no) as bigint) as numerator, cast(count(*) as bigint) as denominator
from said as s left join met as m on m.content_no = s.content_no
group by @d(s) s.unit
