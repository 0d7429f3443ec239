with people as (
    select e.person_no, cast(count(*) as bigint) as contributions from @log as e
    where @keep(e) and @within(e) and e.person_no is not null
        and e.kind in ('message', 'comment', 'question', 'answer', 'share')
    group by e.person_no
)
select @start as bucket, p.contributions, cast(count(*) as bigint) as people
from people as p
group by p.contributions
