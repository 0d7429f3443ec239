select @start as bucket, e.content_no as node, min(e.parent_no) as parent, min(e.person_no) as person
from @log as e
where @keep(e) and @within(e) and e.kind = 'share' and e.content_no is not null and e.parent_no is not null
    and e.person_no is not null
group by e.content_no
