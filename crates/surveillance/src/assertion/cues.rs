//! The cues of assertion: words that say how a clause stands to the disease it names. The longest cue at a
//! place wins, so that 不能排除 is not read as 排除, nor 非洲 as 非.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What a cue does, and in which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cue {
    /// Holds a cue and is none.
    Nothing,
    /// Denies what follows: 否认, 未见.
    Deny,
    /// Denies what stands before it: 依据不足.
    DenyAfter,
    /// Denies what follows or, close by, what stands before: 排除.
    DenyBoth,
    /// Leaves open: 不能排除.
    Open,
    /// Doubts: 疑似, ？.
    Doubt,
    /// Considers: a doubt that ends an earlier denial: 考虑.
    Consider,
    /// Says that it is so; ends an earlier denial, warning or topic: 诊断, 发现.
    Claim,
    /// What follows was formerly: 曾患.
    Former,
    /// What stands before was formerly: 已治愈, 史.
    FormerAfter,
    /// It is so now: 本次, 复发.
    Now,
    /// Somebody else is spoken of: 母亲.
    Other,
    /// A place or a group, which somebody else may belong to: 班里.
    Group,
    /// The patient is spoken of again: 患儿, 本人.
    Patient,
    /// What follows is a topic and no finding: prevention, teaching, questions, fears, contacts, plans.
    Topic,
    /// The same for what stands close before it: 疫苗, 接触史.
    TopicAfter,
    /// The clause compares: 鉴别.
    Compare,
    /// What follows, to the end of the sentence, is supposed only: 如出现.
    Suppose,
}

const WORDS: &[(Cue, &str)] = &[
    (
        Cue::Nothing,
        "无痛 无明显诱因 无诱因 无力 无尿 无汗 无菌 无创 无症状 非洲 非常 非典型 非甾体 除非 今后 结合病史 回顾病史 追问病史 \
         询问病史 现病史 可能性 如下 如前 如上 如常 如厕 如图 防保 疑难 现象 表现 出现场 患侧 患肢 患处 \
         患病 经过 注意力 母婴 史料 病史资料 免疫荧光 免疫组化 防疫科",
    ),
    (
        Cue::Deny,
        "否认 无 未见 未发现 未患 没有 未闻 未提示 不提示 不符合 非 并非 不似 不像 不是 暂无 尚无 未诊断 不诊断 未查见 不属 \
         不属于 未感染 不存在 未合并 缺乏",
    ),
    (
        Cue::DenyAfter,
        "依据不足 证据不足 可能性小 可能性不大 可能性低 可能性较小 不成立 阴性 (-) （-） （－） (－) 未检出 双阴 全阴 均阴 \
         未见异常 未检到 未找到 未生长 不符 检查无异常 无证据 无依据 暂无依据",
    ),
    (Cue::DenyBoth, "排除 已排除 可排除 予排除 予以排除 除外 已除外 可除外 不考虑 暂不考虑 不支持"),
    (
        Cue::Open,
        "不能排除 暂不能排除 尚不能排除 不能完全排除 不排除 未排除 尚未排除 未能排除 难以排除 无法排除 尚无法排除 不可排除 \
         不能除外 暂不能除外 尚不能除外 不除外 未除外 未能除外 难除外 难以除外 无法除外 不可除外 待排除 待排 待排查 待除外 待鉴别 \
         需排除 需除外 应排除 应除外 须排除 须除外 排除后再 有待排除",
    ),
    (
        Cue::Doubt,
        "疑似 疑诊 可能 可能性大 可能性较大 待查 拟诊 ？ ? 可疑 怀疑 疑 待确诊 待明确 待观察 想到 倾向 高度怀疑 待定",
    ),
    (Cue::Consider, "考虑"),
    (
        Cue::Claim,
        "诊断 确诊 出现 发现 患 患有 提示 后 但 证实 合并 并发 符合 成立 收治 查出 检出 转为 阳性 感染了",
    ),
    (
        Cue::Former,
        "既往 曾 曾患 曾有 曾诊断 曾疑 年前 幼时 小时候 儿时 幼年 童年 陈旧 去年 前年 得过 患过 出过 感染过 有过",
    ),
    (
        Cue::FormerAfter,
        "史 病史 治愈 已治愈 已愈 痊愈 病愈 愈后 康复 后遗症 后综合征 术后 停药 瘢痕 已清除 已消除 恢复期 年前",
    ),
    (
        Cue::Now,
        "现 本次 此次 入院诊断 出院诊断 目前 今 再次 此次又 复发 复治 诊断： 诊断: 诊断为 初步诊断 临床诊断 修正诊断",
    ),
    (
        Cue::Other,
        "父亲 母亲 父母 丈夫 妻子 配偶 爱人 伴侣 性伴 哥哥 姐姐 弟弟 妹妹 兄弟 姐妹 儿子 女儿 祖父 祖母 外公 外婆 爷爷 奶奶 家族 \
         家属 家人 同学 同事 同桌 同班 同屋 同宿舍 舍友 室友 邻居 工友 战友 保姆 其父 其母 其夫 其妻 其子 其女 其兄 其弟 其姐 其妹 \
         之父 之母 之子 之女 岳父 岳母 公公 婆婆 孙子 孙女 长子 长女 次子 家犬",
    ),
    (
        Cue::Group,
        "家中 家里 全家 班里 班内 班上 班级 小区 社区 幼儿园 托幼 学校 校内 病房 病区 村里 村中 村内 单位 车间 宿舍 周围 身边 当地 \
         邻省 邻县 邻村 外省 全市 全县 我县 辖区 居住地",
    ),
    (Cue::Patient, "患者 患儿 病人 本人 患婴 患童 自己的"),
    (
        Cue::Topic,
        "接触 密切接触 预防 接种 补种 应急接种 强化免疫 筛查 宣教 宣传 警惕 防治 防控 防范 谨防 以防 防止 严防 注射 咨询 询问 了解 培训 演练 \
         告知 讲解 学习 知晓 要求 担心 害怕 恐惧 害怕得 怀疑自己 自疑 网上 排查 区别于 区分 不同于 避免 疫苗 传播 风险 \
         前需排除 前需除外 前应排除 前应除外 前须除外 前筛查 前排查 拟行 拟查 拟做 待行 申请 监测点 通报 义诊 知情 交代 要与 易与",
    ),
    (
        Cue::TopicAfter,
        "疫苗 预防 接种 补种 应急接种 强化免疫 监测点 演练 讲座 义诊 接触史 接触者 接触 密接 密切接触 患者接触 病人接触 病例接触 患者家属 病人家属 筛查 宣教 免疫球蛋白 流行病学史 疫区 \
         暴露 知识 样皮疹 样症状 流行季节 流行期 流行区 高发 高峰 防治 防控 防护 免疫 监测 灭蚊 宣传 发病率 发病机制 潜伏期 传播 \
         的识别 疫情 检索 零报告 风险 早期症状 的症状 培训 咨询 疫源地 季节",
    ),
    (Cue::Compare, "鉴别 鉴别诊断 相鉴别 混淆 同意书 手册 登记 零病例"),
    (Cue::Suppose, "若 如果 一旦 倘若 假如 万一 如出现 若出现 如患 如有 若有 如发生 如为"),
];

/// Cues by their first character, the longest first.
static BY_FIRST: LazyLock<HashMap<char, Vec<(&'static str, Cue)>>> = LazyLock::new(|| {
    let mut table: HashMap<char, Vec<(&str, Cue)>> = HashMap::new();
    for (cue, words) in WORDS {
        for word in words.split_whitespace() {
            let first = word.chars().next().expect("a word of split_whitespace is not empty");
            table.entry(first).or_default().push((word, *cue));
        }
    }
    table.values_mut().for_each(|words| words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len())));
    table
});

/// A cue at its place in a clause.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub start: usize,
    pub end: usize,
    pub cue: Cue,
}

/// The cues of a clause from left to right, none inside a taken place. A word may stand in two directions;
/// then it is found once for each.
pub(super) fn find(clause: &str, taken: &[bool]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut next = 0;
    for (start, first) in clause.char_indices() {
        if start < next || taken[start] {
            continue;
        }
        let Some(words) = BY_FIRST.get(&first) else { continue };
        let fits = |word: &str| {
            clause[start..].starts_with(word) && !taken[start..start + word.len()].contains(&true)
        };
        let Some((longest, _)) = words.iter().find(|(word, _)| fits(word)) else { continue };
        next = start + longest.len();
        let same = words.iter().filter(|(word, _)| word == longest);
        found.extend(same.map(|&(_, cue)| Found { start, end: next, cue }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(clause: &str) -> Vec<Cue> {
        find(clause, &vec![false; clause.len()]).into_iter().map(|found| found.cue).collect()
    }

    #[test]
    fn the_longest_cue_wins() {
        assert_eq!(kinds("暂不能排除"), [Cue::Open]);
        assert_eq!(kinds("已排除"), [Cue::DenyBoth]);
        assert_eq!(kinds("非洲归来"), [Cue::Nothing]);
        assert_eq!(kinds("可能性不大"), [Cue::DenyAfter]);
        assert_eq!(kinds("疫苗"), [Cue::Topic, Cue::TopicAfter]);
    }
}
