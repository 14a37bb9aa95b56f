"""Whether a summary gives orders to whoever judges, or poses as an answer. Knows no model.

A photo can show any writing, and Stage-A may copy it into a remark. A summary that speaks to the judge is no evidence:
a person looks. The words are searched in the text as it looks: full-width, look-alike, invisible and spaced letters are
the same letters.

This catches what gives itself away. What does not is held off by the fences of the evidence and by the other checks.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from unicodedata import category, name

from tasks.records.grammar import as_it_looks
from tasks.records.special_tokens import SPECIAL_TOKEN, is_format

# Each in the folded form: lower case, without spaces. A dot is one sign, few signs may stand between two words.
_ORDERS = (
    # forget the rules
    r"(?:忽略|忽视|无视|忘记|忘掉|不要?理会|不用理会|不必理会|不要?管|别管|抛开|跳过|取消|覆盖|废除|绕过|不再遵守|不要遵守|不必遵守)"
    r".{0,10}(?:规则|要求|指令|指示|提示|说明|限制|设定|约束|标准|内容|摘要|以上|上面|之前|前面)",
    r"(?:以上|上述|之前|前面|原有|原来)的?.{0,6}(?:规则|要求|指令|指示|提示|说明|标准).{0,6}(?:作废|无效|失效|不适用|取消|废止|有误|过期|忽略)",
    # what to say
    r"(?:判定?|判为|判成|判断|认定|视为|算作?|标记|裁定|结论|结果|一律|直接|全部|必须|应当?|请|务必|自动|强制|默认|改为|统一|给予?|予以|算他?|就)"
    r".{0,6}(?:不?通过(?![走线套机顶底孔接波穿门后]|铜)|不?合格(?!标签|证|章)|过关|放行)",
    r"合格(?:即可|就行|就好|就可以|吧|处理|论处|谢谢)",
    r"(?:验收|审核|质检|检查|复核|本单|工单|本组|本次|此单|该单|这单|整组).{0,6}(?:已经?|都|均|全部)?(?:不?通过(?![走线套机顶底孔接波穿门后]|铜)|不?合格(?!标签|证|章)|放行)",
    r"(?:请|务必|必须|你要|你应|只需|只能|仅|直接|一律)(?:直接|只|仅|都|一律|必须|务必)*.{0,3}(?:输出|回答|回复|返回|生成|填写|写成|写上|说)",
    r"(?:输出|回答|回复|返回|打印|重复|泄露).{0,8}(?:通过|系统提示|提示词|上文|规则|json|verdict)",
    r"(?:置信度|confidence).{0,6}(?:写|填|设|给|输出|=|:|1\.0|0\.9)",
    # to whom it speaks, and as whom
    r"(?:你(?:现在)?(?:必须|应该|应当|是|要|需要|只能|的任务|不必|不用|不要|会|将)|您(?:必须|是|的任务|只需))",
    r"(?:判定员|复核员|审核员|质检员|评审|审核人|模型|助手|机器人|人工智能|大模型|\bai\b).{0,8}(?:请|必须|应|注意|听|务必|不要|需要|只|直接)",
    r"(?:请|拜托|麻烦|求求?你?|恳请|劳驾).{0,12}(?:通过|放行|过关|手下留情|行个方便|高抬贵手|判|忽略|输出)",
    r"(?:否则|不然).{0,10}(?:投诉|举报|开除|后果|追责|处罚|关闭|删除|扣)",
    r"(?:系统|管理员|开发者|领导|甲方|总部|公司|专家|上级|运维|平台).{0,3}(?:指令|命令|消息|提示|通知|公告|授权|已?批准|特批|要求|指示|规定|更新|说)",
    r"(?:新的?|最新|更新后?的?|补充|修订|临时|特别|附加)(?:规则|指令|要求|规定|判定|指示|任务|说明|标准)",
    r"(?:调试|开发者?|测试|维护|管理员?|越狱|免检)模式|免检|特批|系统提示词?|提示词|角色扮演|扮演",
    r"(?:摘要|照片|数据|示例|证据)(?:到此)?(?:结束|完毕|为止)|以下是?(?:新的?|正式|真正|正确)|正确答案|标准答案|参考答案",
    r"(?:不需要|无需|不用|不必|不要)(?:再)?(?:人工|复核|检查|核对|审核|考虑)",
    r"(?:不要|不得|切勿|别)再?(?:提|引用|写|看|说|管|理|考虑|检查|指出|输出|报告)|请(?:按|以|将|把|写|用|给|对)",
    # words of the judge's trade, not of a photo's
    r"(?<![部侧孔槽])通过(?![走线套机顶底孔接波穿门后照图管上下侧]|铜)|(?<!无法)(?<!难以)(?<!不能)(?<!不好)判(?:定|为|成)|给个?过",
    r"放行|免复?[检查]|跳过|已验收|验收合格|满分|优先|重置|答案|假设|默认|评审|宽松|规则|指令|判据|image_?[0-9]|任务[a-z0-9]|返回|回答|回复",
    r"(?:其余|其他|别的|前面的?|所有)照片|只看|写[:成]|以此为准|为准",
    r"同意|从宽|不追究|可接受|白名单|绿灯|归档|不作依据|审核意见|监理",
)
_OTHER_LANGUAGES = (
    r"(?:ignore|disregard|forget|override|bypass|skip).{0,24}(?:instruction|rule|prompt|above|previous|prior|guideline|requirement|everything)",
    r"systemprompt|systemmessage|jailbreak|developermode|promptinjection|instructions?:|newinstruction|newtask",
    r"(?:you(?:must|are|should|will|need|have)|actas|pretend|roleplay|asanai|youranswer|yourtask|yourverdict)",
    r"(?:please|always|must|just|simply|only|kindly|directly)(?:mark|output|answer|respond|return|say|reply|print|write|pass|approve|accept)",
    r"(?:output|answer|respond|return|say|reply|print|write|mark|judge|set|label).{0,16}(?:pass|approve|accept|ok\b|json|通过)",
    r"(?:verdict|result|decision|status|label|finaldecision)(?:is|=|:|-|must|should)",
    r"(?:pass|approve|accept)(?:this|the|it|all|ed)|\bpass\b|approve|answer|confidence",
    r"ignor(?:ez|a|ar|iere)|instruccion|anweisung",
    r"(?:無視|忽略|不要理會|請).{0,10}(?:規則|指令|要求|輸出|判定|通過)|判定.{0,4}通過",
)
_POSES = (
    r"verdict|reason[:=]|confidence|依据[:=]|判定[:=]|结论[:=]|判定结果|最终判定|候选判定|判定要求|检查任务|照片摘要|\[?g[0-9]{1,4}\]",
    r"(?:^|[^a-z])(?:system|user|assistant|human|tool|developer)(?:[:>\]|]|$)|(?:系统|用户|助手|管理员|开发者)[:>\]】]|#{2,}|={4,}|-{4,}",
    r"<{2,}|>{2,}|```|\[/?inst\]|<<sys>>|</?[a-z_]+>|<\||\|>|<!--|--!?>|\{\{|\}\}|\\n|\\u[0-9a-f]{4}|\[end|eof",
    r"[{\[].{0,4}[\"'](?:summary|critique|verdict|needs_recheck|evidence_sufficiency|recommended_action|role|action)",
    r"(?:needs_recheck|evidence_sufficiency|recommended_action|critique)",
)
_SENTENCE = re.compile(r"(?:\b[A-Za-z]{0,20}[a-z]{2,20}[,.:]?\s+){2,}[A-Za-z]{0,20}[a-z]{2,20}")
"""Three words that are no type plate's: those are in capitals."""
_FOUND = re.compile("|".join((*_ORDERS, *_OTHER_LANGUAGES, *_POSES)))
_SEPARATORS = re.compile(r"[.·・\-_*~|/,;!、，。！…'\"“”‘’()（）]+")
_CODED = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_ENCODED = re.compile(r"(?:\\x[0-9a-f]{2}|%[0-9a-f]{2}|&#x?[0-9a-f]+;|\b[0-9a-f]{32,})", re.IGNORECASE)


def orders_in(summary: str) -> bool:
    """Whether a summary gives orders, poses as an answer or as a part of the prompt, or hides text in a code."""
    plain = "".join(sign for sign in summary if not is_format(sign) and category(sign) != "Cc")
    if SPECIAL_TOKEN.search(summary) or _ENCODED.search(plain) or any(map(_is_coded, _CODED.findall(plain))):
        return True
    folded = as_it_looks(plain)
    if _SENTENCE.search(plain) or any(map(_is_foreign, folded)):
        return True
    bare = _SEPARATORS.sub("", folded)  # 判·定·通·过
    return bool(_FOUND.search(folded) or _FOUND.search(bare))


def instruction_in(summaries: Iterable[str]) -> bool:
    """Whether any of a ticket's summaries does."""
    return any(map(orders_in, summaries))


def _is_foreign(sign: str) -> bool:
    """Whether a letter is neither a Han character nor one that a summary or a type plate may hold."""
    return category(sign)[0] == "L" and not sign.isascii() and not name(sign, "").startswith(("CJK", "GREEK"))


def _is_coded(run: str) -> bool:
    """Whether a run of letters is base64 of a text."""
    body = run.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        text = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return text.isprintable()
