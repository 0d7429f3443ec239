-- Posts of the bucket, and what was done with each, whenever it was done.
posts as (
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
)
