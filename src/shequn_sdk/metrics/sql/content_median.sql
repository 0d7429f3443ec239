-- Posts of the bucket, and what was done with them whenever it was done.
with @include(posts),
@include(received)
select @d(p) p.bucket_start as bucket, @quantile(cast(coalesce(r.interactions, 0) as double), 0.5) as value,
    cast(count(*) as bigint) as posts
from posts as p left join per_post as r on r.post_no = p.content_no
group by @d(p) p.bucket_start
