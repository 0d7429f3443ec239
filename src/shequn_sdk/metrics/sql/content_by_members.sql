-- Posts of the bucket, and what was done with them whenever it was done.
with @include(posts),
moves as (
    @include(moves)
    @include(addressed)
),
@include(changes),
@include(flows),
sizes as (
    select @d f.local_day as from_day, lead(f.local_day, 1, f.local_day) over (partition by @d 1 order by f.local_day) as to_day,
        sum(f.change) over (partition by @d 1 order by f.local_day rows unbounded preceding) as members
    from flows as f
)
select @d(p) p.bucket_start as bucket, cast(coalesce(sum(r.interactions), 0) as double) as numerator,
    cast(sum(z.members) as bigint) as denominator
from posts as p join sizes as z on p.post_day >= z.from_day and (p.post_day < z.to_day or z.to_day = z.from_day) @same(z, p)
left join per_post as r on r.post_no = p.content_no
group by @d(p) p.bucket_start
