select @dims(e) @bucket(e) as bucket, e.currency,
    cast(sum(case when e.kind = 'purchase' then e.amount else -e.amount end) as decimal(38, 4)) as value
from @log as e
where @keep(e) and @within(e) and e.kind in ('purchase', 'refund') and e.amount is not null
group by @group(e) @bucket(e), e.currency
