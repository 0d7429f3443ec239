-- Posts of the bucket, and what was done with them whenever it was done.
with posts as (
    select @dims(e) e.content_no, min(@bucket(e)) as bucket_start, min(e.local_day) as post_day
    from @log as e
    where @posts(e) and @within(e)
    group by @group(e) e.content_no
),
acts as (
    select e.content_no as post_no, e.kind, e.value, e.member_no from @log as e
    where @keep(e) and e.kind in ('reaction', 'vote') and e.content_no is not null
    union all
    select e.parent_no as post_no, case when e.kind = 'share' then 'share' else 'comment' end as kind,
        cast(null as double) as value, e.member_no from @log as e
    where @keep(e) and e.kind in ('comment', 'message', 'question', 'answer', 'share') and e.parent_no is not null
),
counted as (
    select a.post_no, sum(case when a.member_no is null and a.value is not null then 0 else 1 end) as single,
        coalesce(max(case when a.member_no is null then a.value end), 0) as counter
    from acts as a
    where a.kind <> 'vote' or @param(votes)
    group by a.post_no, a.kind
),
per_post as (
    select c.post_no, sum(c.single + c.counter) as interactions from counted as c group by c.post_no
),
seen as (
    select v.content_no as post_no, cast(count(distinct v.person_no) as bigint) as viewers,
        sum(case when v.member_no is null and v.value is not null then 0 else 1 end)
            + coalesce(max(case when v.member_no is null then v.value end), 0) as views
    from @log as v where @keep(v) and v.kind = 'view' and v.content_no is not null
    group by v.content_no
)

select @d(p) p.bucket_start as bucket, cast(coalesce(sum(r.interactions), 0) as double) as numerator,
    cast(sum(s.views) as double) as denominator
from posts as p join seen as s on s.post_no = p.content_no
left join per_post as r on r.post_no = p.content_no
where s.views >= @param(min_reach)
group by @d(p) p.bucket_start
