-- Posts of the bucket, and what was done with them whenever it was done.
with @include(posts),
@include(received),
seen as (
    select v.content_no as post_no, cast(count(distinct v.person_no) as bigint) as viewers,
        sum(case when v.member_no is null and v.value is not null then 0 else 1 end)
            + coalesce(max(case when v.member_no is null then v.value end), 0) as views
    from @log as v where @keep(v) and v.kind = 'view' and v.content_no is not null
    group by v.content_no
)
select @d(p) p.bucket_start as bucket, cast(coalesce(sum(r.interactions), 0) as double) as numerator,
    cast(sum(s.viewers) as bigint) as denominator
from posts as p join seen as s on s.post_no = p.content_no
left join per_post as r on r.post_no = p.content_no
where s.viewers >= @param(min_reach) and s.viewers > 0
group by @d(p) p.bucket_start
