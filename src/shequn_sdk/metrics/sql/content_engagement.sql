-- Posts of the bucket, and what was done with them whenever it was done.
with @include(posts)
select @d(p) p.bucket_start as bucket, cast(coalesce(sum(r.interactions), 0) as double) as numerator,
    cast(count(*) as bigint) as denominator
from posts as p left join per_post as r on r.post_no = p.content_no
group by @d(p) p.bucket_start
