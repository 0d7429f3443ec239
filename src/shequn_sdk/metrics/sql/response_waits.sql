-- Each question with its first answer by somebody else: how long that took is counted in hours of business.
with @include(questions)
select @d(q) q.unit as bucket, q.content_no, min(q.asked_at) as asked, min(a.ts) as answered
from questions as q left join answers as a on a.parent_no = q.content_no and a.person_no <> q.asker and a.ts >= q.asked_at
group by @d(q) q.content_no, q.unit
