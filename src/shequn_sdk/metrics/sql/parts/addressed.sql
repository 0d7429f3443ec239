-- Who was only addressed by others becomes known thereby.
union all
select @dims(e) e.community_no, t.person_no, min(e.ts) as ts, min(e.local_day) as local_day, 0 as turn
from @log as e join members as t on t.member_no = e.target_no
where @scope(e) and @until(e) and not t.is_bot and e.kind <> 'retract'
group by @group(e) e.community_no, t.person_no
