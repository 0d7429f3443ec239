-- Posts of the bucket with the number of members at the instant of publishing: both in one order of time.
with posts as (
    select @dims(e) e.content_no, min(@bucket(e)) as bucket_start, min(e.ts) as ts
    from @log as e
    where @posts(e) and @within(e)
    group by @group(e) e.content_no
),
@include(received),
moves as (
    @include(moves)
    @include(addressed)
),
@include(changes),
moments as (
    select @d(c) c.ts, case when c.change = 1 and c.communities = 1 then 1 when c.change = -1 and c.communities = 0 then -1
        else 0 end as step, cast(null as bigint) as content_no, cast(null as date) as bucket_start
    from persons as c where c.change <> 0
    union all
    select @d(p) p.ts, 0 as step, p.content_no, p.bucket_start from posts as p
),
sized as (
    select @d(m) m.content_no, m.bucket_start, sum(m.step) over (partition by @d 1
        order by m.ts, case when m.content_no is null then 0 else 1 end rows unbounded preceding) as members
    from moments as m
)
select @d(z) z.bucket_start as bucket, cast(coalesce(sum(r.interactions), 0) as double) as numerator,
    cast(sum(z.members) as bigint) as denominator
from sized as z left join per_post as r on r.post_no = z.content_no
where z.content_no is not null and z.members > 0
group by @d(z) z.bucket_start
