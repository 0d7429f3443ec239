-- Posts of the bucket, and what was done with them whenever it was done.
with posts as (
    select @dims(e) e.content_no, min(@bucket(e)) as bucket_start, min(e.local_day) as post_day
    from @post_days as e
    where @within(e)
    group by @group(e) e.content_no
),
counted as (
    select a.post_no, sum(a.single) as single, coalesce(max(a.counter), 0) as counter
    from @acts as a
    where a.kind <> 'vote' or @param(votes)
    group by a.post_no, a.kind
),
per_post as (
    select c.post_no, sum(c.single + c.counter) as interactions from counted as c group by c.post_no
),
seen as (
    select v.post_no, sum(v.single) + coalesce(max(v.counter), 0) as views from @views as v group by v.post_no
)

select @d(p) p.bucket_start as bucket, cast(coalesce(sum(r.interactions), 0) as double) as numerator,
    cast(sum(s.views) as double) as denominator
from posts as p join seen as s on s.post_no = p.content_no
left join per_post as r on r.post_no = p.content_no
where s.views >= @param(min_reach)
group by @d(p) p.bucket_start
