-- Joins and leaves, and each person's first own act.
select @dims(e) e.community_no, e.person_no, e.ts, e.local_day, case when e.kind in ('leave', 'unfollow') then 2 else 1 end as turn
from @log as e
where @keep(e) and @until(e) and e.person_no is not null and e.kind in ('join', 'follow', 'leave', 'unfollow')
union all
select @dims(e) e.community_no, e.person_no, min(e.ts) as ts, min(e.local_day) as local_day, 0 as turn
from @log as e
where @keep(e) and @until(e) and e.person_no is not null
    and e.kind not in ('leave', 'unfollow', 'moderation', 'join_request', 'retract')
group by @group(e) e.community_no, e.person_no
