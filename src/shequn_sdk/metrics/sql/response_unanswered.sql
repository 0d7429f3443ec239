with questions as (
    select @dims(e) e.content_no, min(e.ts) as asked_at, min(e.person_no) as asker, min(@bucket(e)) as unit
    from @log as e
    where @keep(e) and @within(e) and e.is_question and e.content_no is not null and e.person_no is not null
        and e.kind in ('message', 'question', 'comment')
    group by @group(e) e.content_no
),
answers as (
    select e.parent_no, e.person_no, e.ts from @log as e
    where @keep(e) and e.parent_no is not null and e.person_no is not null
        and e.kind in ('message', 'comment', 'answer', 'question')
),
waits as (
    select @d(q) q.content_no, q.unit, min(a.ts) as answered_at, min(q.asked_at) as asked_at
    from questions as q left join answers as a on a.parent_no = q.content_no and a.person_no <> q.asker
        and a.ts >= q.asked_at
    group by @d(q) q.content_no, q.unit
),
times as (
    select @d w.unit, case when w.answered_at is null then null
        else @seconds(w.asked_at, w.answered_at) end as wait
    from waits as w
)

select @d t.unit as bucket, cast(count(*) - count(t.wait) as bigint) as numerator, cast(count(*) as bigint) as denominator
from times as t
group by @d t.unit
