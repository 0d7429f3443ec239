-- Posts of the bucket.
posts as (
    select @dims(e) e.content_no, min(@bucket(e)) as bucket_start, min(e.local_day) as post_day
    from @post_days as e
    where @within(e)
    group by @group(e) e.content_no
)
