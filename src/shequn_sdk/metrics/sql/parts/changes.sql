-- Only changes of state count: in, out, and in how many communities a person then is.
placed as (
    select @d m.community_no, m.person_no, m.ts, m.local_day, m.turn,
        row_number() over (partition by @d m.community_no, m.person_no order by m.ts, m.turn) as place
    from moves as m
),
states as (
    select @d m.community_no, m.person_no, m.ts, m.local_day, m.turn,
        lag(m.turn, 1, 9) over (partition by @d m.community_no, m.person_no order by m.ts, m.turn) as before_turn
    from placed as m
    where m.turn >= 0 or m.place = 1
),
changes as (
    select @d s.community_no, s.person_no, s.ts, s.local_day, s.turn,
        case when s.turn < 2 and (s.before_turn = 9 or s.before_turn = 2) then 1
            when s.turn = 2 and s.before_turn < 2 then -1 else 0 end as change,
        case when s.turn = 2 and (s.before_turn = 9 or s.before_turn < 2) then 1 else 0 end as gone
    from states as s
),
persons as (
    select @d c.ts, c.local_day, c.change, c.gone,
        sum(c.change) over (partition by @d c.person_no order by c.ts, c.turn, c.community_no
            rows unbounded preceding) as communities
    from changes as c
)
