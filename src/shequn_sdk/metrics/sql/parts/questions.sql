-- Questions, and what answers them.
questions as (
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
)
