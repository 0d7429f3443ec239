-- Who was never heard of becomes known by being addressed.
union all
select @dims(e) e.community_no, t.person_no, min(e.ts) as ts, min(e.local_day) as local_day, -1 as turn
from @aimed as e join members as t on t.member_no = e.target_no
where @aimed_scope(e) and @until(e) and not t.is_bot and e.kind <> 'retract'
group by @group(e) e.community_no, t.person_no
