-- Posts of the bucket, and what was done with them whenever it was done.
with @include(posts),
@include(received),
seen as (
    select v.post_no, sum(v.single) + coalesce(max(v.counter), 0) as views from @views as v group by v.post_no
)
select @d(p) p.bucket_start as bucket, cast(coalesce(sum(r.interactions), 0) as double) as numerator,
    cast(sum(s.views) as double) as denominator
from posts as p join seen as s on s.post_no = p.content_no
left join per_post as r on r.post_no = p.content_no
where s.views >= @param(min_reach)
group by @d(p) p.bucket_start
