-- What was done with messages, in parts that may be added up without sorting them by message first.
credits as (
    select a.post_no, cast(a.single as double) as interactions
    from @acts as a
    where a.single > 0 and (a.kind <> 'vote' or @param(votes))
    union all
    select a.post_no, max(a.counter) as interactions
    from @acts as a
    where a.counter is not null and (a.kind <> 'vote' or @param(votes))
    group by a.post_no, a.kind
)
