with lasts as (
    select p.person_no, max(p.local_day) as last_day from @person_days_all as p group by p.person_no
),
moves as (
    select e.person_no, max(case when e.kind in ('leave', 'unfollow') then e.ts end) as left_ts,
        max(case when e.kind in ('join', 'follow') then e.ts end) as joined_ts
    from @log as e
    where @keep(e) and @until(e) and e.kind in ('join', 'follow', 'leave', 'unfollow') and e.person_no is not null
    group by e.person_no
),
states as (
    select f.person_no, case
        when m.left_ts is not null and (m.joined_ts is null or m.joined_ts < m.left_ts) then 'churned'
        when f.first_day > @end - @param(new_days) then 'new'
        when y.last_day > @end - @param(active_days) then 'active'
        when coalesce(y.last_day, f.first_day) > @end - @param(churned_days) then 'silent'
        else 'churned' end as state
    from @first_days as f left join lasts as y on y.person_no = f.person_no
    left join moves as m on m.person_no = f.person_no
)
select @start as bucket, s.state, cast(count(*) as bigint) as value
from states as s
group by s.state
