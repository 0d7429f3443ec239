-- Each share hangs under what it shares; what was never seen as a share itself is the root.
with recursive shares as (
    select e.content_no as node, min(e.parent_no) as parent from @log as e
    where @keep(e) and e.kind = 'share' and e.content_no is not null and e.parent_no is not null
        and e.content_no <> e.parent_no
    group by e.content_no
),
roots as (
    select distinct s.parent as root from shares as s left join shares as up on up.node = s.parent
    where up.node is null
),
tree as (
    select r.root, r.root as node, 0 as depth from roots as r
    union all
    select t.root, s.node, t.depth + 1 as depth from tree as t join shares as s on s.parent = t.node
    where t.depth < 64
),
layers as (
    select t.root, t.depth, cast(count(*) as bigint) as width from tree as t where t.depth > 0 group by t.root, t.depth
),
shapes as (
    select y.root, cast(sum(y.width) as bigint) as shares, max(y.depth) as depth, max(y.width) as width
    from layers as y group by y.root
),
reached as (
    select t.root, cast(count(distinct v.person_no) as bigint) as viewers
    from tree as t join event_log as v on v.content_no = t.node
    where v.kind = 'view' and v.person_no is not null and not v.is_retracted and (@param(include_bots) or not v.is_bot)
    group by t.root
),
dates as (
    select t.root, min(e.local_day) as first_day from tree as t join event_log as e on e.content_no = t.node
    where e.kind in ('message', 'comment', 'question', 'answer', 'share') group by t.root
)
select z.first_day as bucket, x.root as root, x.shares as shares, x.depth as depth, x.width as width, coalesce(v.viewers, 0) as viewers
from shapes as x join dates as z on z.root = x.root left join reached as v on v.root = x.root
where z.first_day between @start and @end
