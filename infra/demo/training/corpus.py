"""Text to learn a vocabulary from: prompts, summaries, dense captions, verdicts, ordinary words. Knows no tokenizer."""

from __future__ import annotations

import random
from collections.abc import Iterator

from configs.missions import known_missions
from infra.demo.scenes import Split, sample, seed_of
from infra.demo.wording import adapter_summary, summary
from tasks.summaries.prompts import summary_prompt

# The words of all seven missions, also of those that the drawn photos do not show.
FIELD_WORDS = (
    "BBU设备 RRU设备 机柜 机房 基站 挡风板 光模块 光纤 尾纤 尾纤套管 光纤插头 接地排 接地线 接地螺丝 安装螺丝 "
    "紧固件 标签 线缆 线缆/捆扎整齐 电源线 ODF端 BBU端 机柜侧 接地排侧 安装点 弯曲半径 走线架 理线架 扎带 波纹管 "
    "铭牌 空开 天线 馈线 抱杆 品牌:华为 品牌:中兴 品牌:爱立信 型号:5900 型号:5910 型号:V9200 型号:6630 "
    "位置:机柜侧 位置:接地排侧 颜色:黄色 颜色:白色 颜色:黑色 符合要求 不符合要求 捆扎整齐 散乱 有保护 无保护 "
    "可识别 无法识别 安装规范 安装不规范 已安装 未安装 紧固到位 未紧固 松动 缺失 已插入 未插入 弯曲半径合理 "
    "弯曲半径不合理 有套管 无套管 能看清 看不清 显示完整 只显示部分 需要挡风板 无需挡风板 按要求安装 "
    "未按要求安装 无关图片 备注 两台BBU之间缺少挡风板 接地线未捆扎 没有可识别的标签 存在不符合项 未见不符合项 "
    "图纸 纸张 杂物 人物 风景 工具"
)

VERDICT_WORDS = (
    "通过 不通过 人工复核 审核通过 审核不通过 待审核 理由 依据 证据充分 证据不足 结论 判定 质检员 工单 施工队 "
    "现场 照片 图片 摘要 检查 任务 根据 因为 所以 如果 但是 并且 以及 没有 存在 缺少 符合 不符合 需要 不需要 "
    "全部 部分 至少 一台 两台 都 是 否 有 无 第一 第二 第三"
)

STAGE_B = (
    "Verdict: 通过\nReason: 两台BBU之间已按要求安装挡风板。\nConfidence: 0.95",
    "Verdict: 不通过\nReason: 接地螺丝不符合要求，接地线散乱。\nConfidence: 0.80",
    '{"summary": "证据充分", "critique": "", "verdict": "通过", "needs_recheck": false, '
    '"evidence_sufficiency": true, "recommended_action": "人工复核"}',
    '{"action": "refine", "operations": [{"op": "upsert", "key": "G0", "text": "", "rationale": "", "evidence": []}, '
    '{"op": "remove"}, {"op": "merge"}, {"op": "noop"}]}',
    "你是质检判定助手。只输出三行：Verdict、Reason、Confidence。根据每张照片的摘要判断这一组工单是否通过。",
)

ORDINARY = (
    "The quick brown fox jumps over the lazy dog. You are a helpful assistant. Describe this image in one line. "
    "Return JSON only, no explanation. What is in the picture? Answer with yes or no. image_1 image_2 image_10",
    "请描述这张图片。请用一句话回答。图中有什么？输出所有目标的坐标，坐标范围是0到1000的整数。只输出JSON，不要解释。",
)

# The commonest characters of written Chinese, so that an unforeseen sentence does not fall apart into bytes.
COMMON = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所"
    "然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与"
    "长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己"
    "制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系"
    "气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社"
    "便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉"
    "格望觉术领共确传师观清今切院让识候带导争运装插拔线缆架柜灯盖锁扣紧松旧破损锈脏污湿潮漏焊钉孔缝贴牌字迹模糊遮"
    "挡拍摄角近远左右侧端根段捆扎整齐乱散弯折压叠套护管排列固孤缺"
)


def texts() -> Iterator[str]:
    """The corpus, the same at every call; what must compress well comes often."""
    rng = random.Random("corpus")
    prompts = [summary_prompt(mission) for mission in (None, *known_missions().values())]
    for _ in range(40):
        for prompt in prompts:
            yield prompt.user
        yield prompts[0].system
        yield FIELD_WORDS
        yield from FIELD_WORDS.split(" ")
        yield VERDICT_WORDS
        yield from COMMON
        yield from STAGE_B
        yield from ORDINARY
        yield "system\nuser\nassistant\n"
    for index in range(2500):
        scene = sample(seed_of(Split.TRAINING, index))
        yield summary(scene)
        yield adapter_summary(scene)
        if index % 5 == 0:
            yield _dense(rng)


def _dense(rng: random.Random) -> str:
    """Something shaped like a dense caption, with places drawn at random."""
    words = FIELD_WORDS.split(" ")
    objects = []
    for index in range(1, rng.randint(2, 5)):
        place = [str(rng.randint(0, 1000)) for _ in range(4)]
        geometry = rng.choice(('"bbox_2d": [{}]', '"poly": [{}]', '"line_points": 2, "line": [{}]'))
        objects.append(f'"object_{index}": {{{geometry.format(", ".join(place))}, "desc": "{rng.choice(words)}"}}')
    return "{" + ", ".join(objects) + "}"
