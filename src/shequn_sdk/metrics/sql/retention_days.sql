with firsts as (
    select @d f.person_no, f.first_day from @first_days as f where f.first_day between @start and @end
),
spans as (@spans),
mature as (
    select @d(f) f.person_no, f.first_day, n.day_no, n.last_no from firsts as f cross join spans as n
    where f.first_day + n.ripe_no <= cast($mature as date)
),
hits as (
    select distinct @d(m) m.person_no, m.day_no from mature as m
    join @person_days_all as p on p.person_no = m.person_no @same(p, m)
        and p.local_day between m.first_day + m.day_no and m.first_day + m.last_no
)
select @d(m) @bucket_of(m.first_day) as bucket, m.day_no as day_no, cast(count(h.person_no) as bigint) as numerator,
    cast(count(*) as bigint) as denominator
from mature as m left join hits as h on h.person_no = m.person_no and h.day_no = m.day_no @same(h, m)
group by @d(m) @bucket_of(m.first_day), m.day_no
