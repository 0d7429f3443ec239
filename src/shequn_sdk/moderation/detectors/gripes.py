"""Bad mood as sentences rather than words: who waited in vain, asked in vain, paid in vain, or cannot go on.

Complaints name few of the words of a lexicon, but they are built alike. As with ploys, a pattern is tried only where one
of the words that begin it was found. A sentence that says that all turned out well counts half.
"""

from __future__ import annotations

import re

from shequn_sdk.moderation.detectors import sentences
from shequn_sdk.moderation.detectors.lexicon import Entry
from shequn_sdk.moderation.detectors.normal import Folded
from shequn_sdk.moderation.detectors.sentences import sentence

__all__ = ["GRIPE", "entries", "find_gripes"]

GRIPE = "gripe"


_SOME = r"(?:好?几|无数|多少|[两三四五六七八九十百\d]+)"
_LONG = rf"(?:大?半天|半个?月|(?:一整?|整整一)个?(?:天|上午|下午|晚上|星期|周|月)|{_SOME}多?(?:天|周|年|个?(?:小时|钟头|月|星期|礼拜)|分钟))"
_WHOM = r"(?:我们?|用户|会员|顾客|大家|消费者|学员|群友)"
_GRIPES = (
    sentence(
        "waited in vain",
        0.55,
        "等了|排了|拖了|催了|still|waited|waiting",
        rf"(?:等|排|拖)了?{_LONG}.{{0,12}}(?:没(?!关系|事|问题|想到|白)|不(?!错|过|怪|亏|愧)|连个)",
        r"still(?:no(?:reply|answer|response|refund|fix|sign|word)|hasnt|havent(?:received|got|heard|been)|not(?:fixed|working|resolved|arrived|refunded)|broken)",
        r"stillwaiting(?:for|on)(?:my|a|the|your)(?:refund|reply|answer|order|parcel|package|money|response)",
        r"waited.{0,24}(?:fornothing|andnothing|noone|nobody|invain)",
    ),
    sentence(
        "asked in vain",
        0.55,
        "遍|几次|次了|个电话|封邮件|一直没|迟迟|始终没|到现在|至今|没人|nobody|no one|none of you|never|ignor",
        rf"(?:问|催|说|讲|提|反映|反馈|投诉|联系|打|申请|报修)了?{_SOME}(?:遍|次|回|个电话|封邮件|条消息)(?:(?!我|孩子|他|她).){{0,14}}(?:没(?!事|问题)|不(?!错|过)|还是|依旧|毫无)",
        r"(?:一直|迟迟|始终|到现在|至今|到今天)(?:都|也|还|还是)?(?:没人|没有人|无人|(?:没有?|未)(?:收到|回复|处理|解决|发货|退款?|给|更新|修好?|动静|消息|下文|结果|回音|说法|反馈))",
        r"没人(?:管|理|处理|回应|在乎|当回事)",
        r"(?:nobody|noone|noneofyou)(?:even|ever|here|actually)?(?:answer|repl|care|respond|listen|bother|show|help|read)",
        r"(?:support|team|staff|mods?|they|you|customerservice)(?:just)?(?:never|dont|doesnt|didnt|wont|keeps?ignoring)(?:even|ever)?(?:answer|repl|care|respond|listen|bother|show|help|read|deliver|us|me|my)",
        r"ignor(?:ed|es|ing)(?:us|me|my|our|every|allmy|again)",
    ),
    sentence(
        "goes wrong again and again",
        0.55,
        "坏|崩|掉线|断线|闪退|延期|放鸽子|发错|漏发|少发|送错|报错|白屏|卡死|time this|time in|time now|time that|again",
        r"(?:又|再次|第[二两三四五六七八九十\d]+次|天天|三天两头|动不动|老是|总是|隔三差五|每次都?).{0,4}(?:坏(?!消息)|崩|卡死|掉线|断线|闪退|延期|放鸽子|发错|漏发|少发|送错|报错|白屏)",
        r"(?:second|third|fourth|fifth|sixth|2nd|3rd|4th|5th|tenth|umpteenth)time(?:this|in|now|that|already).{0,40}(?:brok|late|cancel|crash|fail|wrong|missing|lost|delay|down|ignor)",
        r"(?:brok|late|cancel|crash|fail|wrong|missing|delay|down)\w{0,8}(?:yet)?again",
    ),
    sentence(
        "paid or came in vain",
        0.55,
        "白跑|白等|白花|白买|白忙|白折腾|白交|白排|白学|早知道|冤大头|waste|regret|should have|shouldve",
        r"白白?(?:跑|等|花|买|忙|折腾|交|排|学)(?:了|一趟|半天|那么|这么|队)",
        r"早知道.{0,8}(?:不会?|别)(?:来|买|报|交|信|去|办|充|订|参加|加入)",
        r"wast(?:ed|eof|ing)(?:my|our|a|an|time|money|evening|weekend|hours|effort)",
        r"regret(?:buying|joining|paying|signing|ordering|coming|everything)|should(?:have|ve)(?:never|not)(?:bought|joined|paid|signed|come|ordered|trusted)",
    ),
    sentence(
        "will not come again",
        0.55,
        "再也|绝对不|打死|下次不|以后不|wont be|never coming|never buying|never ordering|recommend|renewing",
        r"(?:再也|绝对|坚决|打死都?)(?:不会?|不想|不敢)(?:再)?(?:来|买(?!不)|信|订|报|参加|光顾|推荐)|(?:下次|以后)(?:不会|不想|不敢)再?(?:来|买|报|信|订|参加|光顾)",
        r"wontbe(?:back|renewing|ordering|buying|joining|coming)|never(?:coming|ordering|buying)(?:back|again|from|here)|(?:cannot|cant|wouldnt|wont|dont)recommend|notrenewing",
    ),
    sentence(
        "does not work at all",
        0.5,
        "根本|完全|压根|丝毫|半点|一点都|一点也|as described|as advertised|as shown|fell apart|falling apart|broke after|died after|arrived|charged|billed|refus",
        r"(?:根本|完全|压根|一点(?:都|也)|丝毫|半点)(?:都|也|就)?(?:没法|无法|没用|用不了|打不开|看不清|听不懂|听不清|不管|没人|不解决|不像|不值|不好用|没效果|没变化|没进步|不专业|不负责|不尊重|不讲理|不走心|不上心|不理)",
        r"notas(?:described|advertised|shown)|(?:fell|falling)apart|(?:broke|died)after(?:a|one|two|three|just|only|less|\d)|arrived(?:broken|damaged|late|cold|smashed)",
        r"(?:charged|billed)(?:me)?(?:twice|again|double|without)|refus(?:ed|es|ing)to(?:refund|replace|help|answer)",
    ),
    sentence(
        "worse than before",
        0.5,
        "不如|越来越|越改越|越更新越|越做越|越用越|越看越|worse|used to be|downhill",
        r"不如(?:以前|从前|之前|当初|隔壁|别家|免费|不)|一(次|天|届|期|年|代)不如一\1",
        r"越来越(?:差|烂|卡|慢|水|敷衍|没意思|没劲|难吃|难用|离谱|不行|不像样|乱|糟)|越(?:改|更新|做|用|看)越(?:差|烂|卡|难用|没劲|失望|乱|慢)",
        r"(?:gotten|getting|got|gets|keepsgetting)(?:so|much|even|alot|a lot)?worse|usedtobe(?:so|somuch|much)?(?:good|great|better|fun|useful|helpful|nice)|(?:going|went|gone)downhill",
    ),
    sentence(
        "names what is poor",
        0.5,
        "态度|服务|体验|质量|做工|味道|效果|卫生|沟通|管理|售后|客服|物流|组织",
        r"(?:态度|服务|体验|质量|做工|味道|效果|卫生|沟通|管理|售后|客服|物流|组织)(?:感|得)?(?:也|真|真的|真是|实在|太|很|特别|非常|极其|真心|好|有点|相当){0,3}(?:差(?!不多|异|评|价|别|距)|烂|糟糕|恶劣|拉胯|堪忧|敷衍|混乱|一言难尽|离谱)",
    ),
    sentence(
        "feels treated badly",
        0.55,
        "当傻子|当猴|当韭菜|当冤大头|当提款机|当空气|当什么|当回事|居然|竟然|结果|the point|anyone even|hard is it|acceptable",
        rf"(?:把|拿){_WHOM}当(?:什么|傻子|猴|韭菜|冤大头|提款机|空气)|(?:不|没)(?:把|拿){_WHOM}当(?:回事|人)",
        r"(?:结果|没想到|居然|竟然).{0,14}(?:不能用|用不了|是坏的|过期|发霉|不给退?|不退|另外收费|要加钱|打不开|不认账|不承认)",
        r"whatsthepoint|doesanyoneeven(?:read|care|listen|check)|isanyoneeven(?:reading|listening|there)|howhardisit|howisthis(?:ok|acceptable|fair)",
    ),
    sentence(
        "cannot go on",
        0.55,
        "不住了|不下去|不是滋味|堵得慌|提不起|不想做|不想干|不想说|喘不过|掉眼泪|看不到希望|看不到头|没人懂|没人理解|没人陪|cope|anymore|any more|nothing helps|nothing works|nothing ever|feel like|drained|defeated|discouraged|go on",
        r"(?:撑|熬|扛|顶|挺)不(?:住了|下去)|心里(?:真|很|特别|好)?(?:不是滋味|堵得慌)|提不起(?:劲|精神|兴趣)|什么都不想(?:做|干|说)|喘不过气(?!来的)|掉眼泪|看不到(?:希望|头(?!的))|没人(?:懂我?|理解我?|陪我?)$|没人(?:懂|理解|陪)我",
        r"(?:cant|cannot)(?:cope|goon|dothisany|takethisany|takeitany|takethis)|nothing(?:ever)?(?:helps|works(?!better)|matters)|feellike(?:quitting|crying|afailure|givingup(?!sugar|coffee|smok|drink|meat|carb|chocolate|alcohol)|nobody|noone)|(?:im|iam|feel|feeling)(?:so|really|just|completely|totally)?(?:drained|defeated|discouraged)",
    ),
)
_WELL = re.compile(
    r"终于|总算|开心|高兴|满意|感谢|谢谢|值得|惊喜|幸好|还好|没关系|理解|哈|加油|不会|不要|不错|好听|好吃|好玩|太美|笑|"
    r"的时候|可以来|休息|推荐(?!不)|"
    r"luckily|thank|happy|glad|worthit|solved|allgood|noworries|finally|lol|haha|dontworry|feelinggreat|enjoy|tasty|sofun|bethisfun"
)
"""Words beside a complaint that take the edge off it."""


def entries() -> list[Entry]:
    """Give the words that begin complaints, for the automaton."""
    return sentences.entries(_GRIPES, GRIPE)


def find_gripes(folded: Folded, numbers: set[int]) -> list[tuple[int, int, float, str]]:
    """Give the complaints of these numbers that the folded text makes: start, end, weight, and what it is."""
    found = sentences.find(_GRIPES, folded, numbers)
    if found:
        plain, (start, end, *_) = folded.plain, found[0]
        if _WELL.search(f"{plain[:start]} {plain[end:]}"):
            return [(start, end, weight / 2, why) for start, end, weight, why in found]
    return found
