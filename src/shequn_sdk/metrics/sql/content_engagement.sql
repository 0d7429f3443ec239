-- Posts of the bucket, and what was done with them whenever it was done.
with @include(posts),
@include(credits),
counted as (
    select @d(p) p.bucket_start, cast(0 as double) as interactions, 1 as posts from posts as p
    union all
    select @d(p) p.bucket_start, c.interactions, 0 as posts
    from posts as p join credits as c on c.post_no = p.content_no
)
select @d(n) n.bucket_start as bucket, cast(sum(n.interactions) as double) as numerator,
    cast(sum(n.posts) as bigint) as denominator
from counted as n
group by @d(n) n.bucket_start
