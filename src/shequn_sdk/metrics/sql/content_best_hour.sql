-- Posts by the hour of the week in which they were published, and what was done with them whenever it was done.
with posts as (
    select e.content_no, min(@hour_of_week(e)) as cell from @log as e
    where @posts(e) and @within(e)
    group by e.content_no
),
@include(received)
select p.cell as bucket, cast(coalesce(sum(r.interactions), 0) as double) as numerator, cast(count(*) as bigint) as denominator
from posts as p left join per_post as r on r.post_no = p.content_no
group by p.cell
