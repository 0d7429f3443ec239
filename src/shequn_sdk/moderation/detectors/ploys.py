"""Known ways of fraud as sentences rather than words: who says what to whom, whatever words stand between.

Each ploy has words that give it away at once, so that its pattern is tried only where one of them was found.
"""

from __future__ import annotations

from shequn_sdk.moderation.detectors import sentences
from shequn_sdk.moderation.detectors.lexicon import Entry
from shequn_sdk.moderation.detectors.normal import Folded
from shequn_sdk.moderation.detectors.sentences import sentence

__all__ = ["PLOY", "entries", "find_ploys"]

PLOY = "ploy"


_PAY = r"(?:交|缴|付|转|打|垫|充|存|汇)"
_FEE = r"(?:费|押金|保证金|定金|订金|税|运费|邮费|垫资|流水|会员)"
_GIVE = r"(?:告诉|发给?我|发一下|发过来|转给?我|转发给?我|报给?我|念给?我|给我|提供|填|输入)"
_PLOYS = (
    sentence(
        "asks for a code that only its owner should know",
        0.6,
        "验证码|校验码|短信|六位|6位|密码|passcode|code|digits|password|pin",
        rf"(?:验证码|校验码|短信码|短信里?的?(?:数字|内容)|[六6]位(?:数字|数|码)|登录密码|支付密码).{{0,8}}{_GIVE}",
        rf"{_GIVE}.{{0,8}}(?:验证码|校验码|短信码|登录密码|支付密码)",
        r"(?:send|tell|forward|read|share|give|text)(?:me|us|it).{0,24}(?:code|digits|passcode|pin|password)",
        r"(?:forward|share|read|tell).{0,12}(?:verification|onetime|security|sixdigit|6digit).{0,12}(?:code|digits)",
        r"(?:verify|confirm|enter|update)your.{0,12}(?:password|pin)",
    ),
    sentence(
        "a refund or damages by way of one's own bank account",
        0.55,
        "理赔|赔付|双倍退|三倍|退款|百万保障|代理商会员|refund",
        r"(?:客服|售后|理赔|专员|平台|系统|公司).{0,30}(?:退款|理赔|赔付|赔偿).{0,40}(?:共享|屏幕|会议|备用金|银行卡|验证码|添加|加我|链接|下载|专员|指引)",
        r"(?:主动|双倍|三倍|两倍|为您|给您)(?:办理)?(?:理赔|赔付|退款).{0,30}(?:添加|加|下载|提供|打开|备注|链接)",
        r"(?:百万保障|代理商会员|直播会员|金牌会员).{0,30}(?:扣|关闭|取消|到期)",
        r"refund.{0,60}(?:installth|remoteapp|anydesk|teamviewer|giftcard|returnthediff|bankdetails)",
    ),
    sentence(
        "work that one has to pay for first",
        0.55,
        "返现|返利|返佣|福利单|任务单|联单|补单|做单|派单|刷单|点赞员|佣金|per task|commission|prepaid|product orders|rating products",
        r"(?:点赞|收藏|关注|加购|刷单|接单|试做|做满?[一二两三\d]+单|一单).{0,30}(?:返现|返利|返佣|佣金|福利单|任务单|联单|派单)",
        r"(?:联单|卡单|任务单|福利单).{0,30}(?:提现|返|垫|补|充)",
        r"(?:点赞员|点单员|评论员).{0,20}(?:元|结算|日结|单)",
        r"(?:垫|付|充).{0,16}连本带(?:利|佣)",
        r"(?:like|rate|rating|review|optimi[sz]e).{0,40}(?:pertask|commission|prepaidtask)",
        r"commission.{0,30}(?:deposit|unlock|prepaid)",
    ),
    sentence(
        "pay first, and something will come",
        0.5,
        "押金|保证金|解冻|工本费|税|运费|邮费|前期费|服务费|手续费|报名费|定金|包装资料|验证费|fee|duty|toll",
        rf"(?:先|只需|仅需|只要|需要?|请|前).{{0,8}}{_PAY}.{{0,8}}{_FEE}.{{0,30}}(?:领|到账|下款|放款|提现|发货|寄|退|解冻|返|激活|善款|奖)",
        rf"(?:提现|到账|放款|下款|解冻|领取|奖品|中奖|抽中|贷款|包裹|快递|善款|免费(?:送|领)).{{0,24}}(?:先|只需|需|要|请).{{0,6}}{_PAY}?.{{0,8}}{_FEE}",
        r"(?:追回|找回).{0,16}(?:资金|被骗|损失).{0,16}先?付",
        r"(?:freeipad|prize|winner|picked|parcel|package|loan|toll|recover).{0,60}(?:fee|duty|toll|penalty)",
        r"pay.{0,16}(?:fee|duty|toll).{0,12}(?:first|torelease|tounlock|atthislink|here)",
    ),
    sentence(
        "an authority that wants money or data",
        0.6,
        "公安|警方|检察院|法院|通管局|网安|洗钱|社保|医保|税务局|etc|海关|银监|police|tax office|arrest|warrant|social security|customs",
        r"(?:公安|警方|检察|法院|通管|网安|海关|银监|支队).{0,40}(?:涉嫌|洗钱|转入|账户|配合|停机|保证金|笔录|清查|核查)",
        r"(?:涉嫌|名下).{0,30}(?:转入|安全账户|核查账户|监管账户|配合)",
        r"(?:社保|医保|etc|退税|税务|银行|身份证).{0,24}(?:停用|失效|异常|清零|未领|重新认证|到期).{0,30}(?:点|链接|登录|扫码|更新|兑换|填写|[a-z]{2,}(?:top|vip|cn|com|xyz))",
        r"(?:police|taxoffice|irs|customs|socialsecurity|warrant|arrest).{0,50}(?:giftcard|prepaidcard|paythe|callthis|immediately|pay)",
    ),
    sentence(
        "somebody close who changed the number and needs money",
        0.55,
        "换号|换了号|新号|手机号换|掉水里|手机坏|急着交|急需|先借|垫|new number|temporary number|broke my phone|phone is broken|meeting",
        r"(?:换了?(?:新)?号|新号|手机号换了|手机(?:掉|坏|丢|摔)|同学的号).{0,30}(?:借|转|交|打款|垫|急)",
        r"(?:我是.{0,3}(?:总|领导|老板|校长|书记)).{0,40}(?:转|垫|打款|汇)",
        r"(?:mum|mom|dad|boss).{0,50}(?:newnumber|brokemyphone|phoneisbroken|temporarynumber).{0,60}(?:send|pay|rent|bill|transfer)",
        r"(?:newnumber|temporarynumber|phoneisbroken|brokemyphone).{0,60}(?:send|pay|transfer|lend)",
    ),
    sentence(
        "coins or tokens for a wallet's keys, or doubled",
        0.6,
        "空投|助记词|私钥|钱包|授权|usdt|代币|质押|预售|wallet|airdrop|seed phrase|recovery phrase|double|eth|btc|bitcoin|tokens",
        r"(?:空投|领取|领).{0,24}(?:钱包|助记词|私钥|授权|合约)|(?:钱包|授权|合约).{0,16}(?:领|空投|奖励)",
        r"(?:打|转|充|存).{0,4}(?:usdt|btc|eth|u到|币)",
        r"(?:质押|挖矿|矿机).{0,16}(?:日息|分红|收益|返)",
        r"(?:share|enter|send|provide|give|tell).{0,20}(?:seed|recovery|secret)phrase",
        r"(?:connect|sync|validate|sign).{0,24}wallet.{0,40}(?:claim|tokens|reward|restore|sync)|claim.{0,24}tokens?.{0,40}(?:wallet|pool)",
        r"send.{0,24}(?:eth|btc|bitcoin|usdt|coin).{0,40}(?:back|double|return)",
    ),
    sentence(
        "a sure profit that somebody else will make",
        0.5,
        "涨停|必涨|拉升|翻倍|翻十倍|收益|稳赢|稳赚|跟着|内部|内幕|导师|上车|漏洞|signal|profit|returns|inside information|mentor|guaranteed|10x",
        r"(?:老师|导师|内部|内幕|姑父|舅舅|大哥|专家).{0,20}(?:票|股|币|下注|投注|平台|节奏).{0,20}(?:涨|拉升|稳|赢|赚|盈|点|跟|上车|翻)",
        r"(?:跟着|带着|带).{0,8}(?:我|老师|导师|大家|你).{0,10}(?:买|投|做|操作|下注|炒).{0,24}(?:稳|赚|赢|不亏|不会亏|收益|翻)",
        r"(?:漏洞|后台数据|内部消息).{0,16}(?:稳|包|必|赢|赚)",
        r"(?:turned|turns).{0,12}\d+.{0,16}into|(?:guaranteed|zerorisk|norisk).{0,24}(?:profit|returns?|investment|daily|deposit|plan)",
        r"(?:mentor|accountmanager|trader).{0,40}(?:tradesfor|tradefor|profit|message(?:her|him))",
    ),
    sentence(
        "one's accounts, cards or codes for hire",
        0.55,
        "跑分|过账|收款码|银行卡|电话卡|rent your bank",
        r"(?:收购|出租|提供|收).{0,8}(?:银行卡|电话卡|收款码|对公账户)(?:.{0,16}(?:元|套|日结|长期|就行|一天|千|百))",
        r"跑分.{0,12}(?:日结|佣|提成|一天)|(?:过账|收款码).{0,12}(?:提成|佣金|收钱)",
        r"rent(?:us)?your(?:bank)?account",
    ),
)


def entries() -> list[Entry]:
    """Give the words that give ploys away, for the automaton."""
    return sentences.entries(_PLOYS, PLOY)


def find_ploys(folded: Folded, numbers: set[int]) -> list[tuple[int, int, float, str]]:
    """Give the ploys of these numbers that the folded text follows: start, end, weight, and what it is."""
    return sentences.find(_PLOYS, folded, numbers)
