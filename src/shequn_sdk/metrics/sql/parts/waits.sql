-- How long each question waited for its first answer by somebody else.
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
