-- What was done with each message, whenever it was done.
counted as (
    select a.post_no, sum(a.single) as single, coalesce(max(a.counter), 0) as counter
    from @acts as a
    where a.kind <> 'vote' or @param(votes)
    group by a.post_no, a.kind
),
per_post as (
    select c.post_no, sum(c.single + c.counter) as interactions from counted as c group by c.post_no
)
