-- Posts of the bucket, and what was done with them whenever it was done.
with posts as (
    select @dims(e) e.content_no, min(@bucket(e)) as bucket_start, min(e.local_day) as post_day
    from @post_days as e
    where @within(e)
    group by @group(e) e.content_no
),
counted as (
    select a.post_no, sum(a.single) as single, coalesce(max(a.counter), 0) as counter
    from @acts as a
    where a.kind <> 'vote' or @param(votes)
    group by a.post_no, a.kind
),
per_post as (
    select c.post_no, sum(c.single + c.counter) as interactions from counted as c group by c.post_no
),
moves as (
    select @dims(e) e.community_no, e.person_no, e.ts, e.local_day, case when e.kind in ('leave', 'unfollow') then 2 else 1 end as turn
    from @log as e
    where @keep(e) and @until(e) and e.person_no is not null and e.kind in ('join', 'follow', 'leave', 'unfollow')
    union all
    select @dims(e) e.community_no, e.person_no, min(e.ts) as ts, min(e.local_day) as local_day, 0 as turn
    from @log as e
    where @keep(e) and @until(e) and e.person_no is not null
        and e.kind not in ('leave', 'unfollow', 'moderation', 'join_request', 'retract')
    group by @group(e) e.community_no, e.person_no
    union all
    select @dims(e) e.community_no, t.person_no, min(e.ts) as ts, min(e.local_day) as local_day, 0 as turn
    from @log as e join members as t on t.member_no = e.target_no
    where @scope(e) and @until(e) and not t.is_bot and e.kind <> 'retract'
    group by @group(e) e.community_no, t.person_no
),
states as (
    select @d m.community_no, m.person_no, m.ts, m.local_day, m.turn,
        lag(m.turn, 1, 9) over (partition by @d m.community_no, m.person_no order by m.ts, m.turn) as before_turn
    from moves as m
),
changes as (
    select @d s.community_no, s.person_no, s.ts, s.local_day, s.turn,
        case when s.turn < 2 and (s.before_turn = 9 or s.before_turn = 2) then 1
            when s.turn = 2 and s.before_turn < 2 then -1 else 0 end as change,
        case when s.turn = 2 and (s.before_turn = 9 or s.before_turn < 2) then 1 else 0 end as gone
    from states as s
),
persons as (
    select @d c.local_day, c.change, c.gone,
        sum(c.change) over (partition by @d c.person_no order by c.ts, c.turn, c.community_no
            rows unbounded preceding) as communities
    from changes as c
)
,
flows as (
    select @d p.local_day, cast(sum(case when p.change = 1 and p.communities = 1 then 1
        when p.change = -1 and p.communities = 0 then -1 else 0 end) as bigint) as change
    from persons as p
    group by @d p.local_day
),
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
