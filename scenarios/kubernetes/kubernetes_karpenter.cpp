#include "scenarios/kubernetes/kubernetes_karpenter.hpp"

#include "policies/karpenter_budget.hpp"
#include "scenarios/pods/kubernetes_taints.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace windtunnel {
namespace {

const std::vector<std::pair<std::string, SelectorOperator>> requirement_operators = {
    {"In", SelectorOperator::in}, {"NotIn", SelectorOperator::not_in}, {"Exists", SelectorOperator::exists},
    {"DoesNotExist", SelectorOperator::does_not_exist}, {"Gt", SelectorOperator::greater_than}, {"Lt", SelectorOperator::less_than}};

/// Karpenter's durations are whole numbers of s, m and h ("720h", "1h30m") [from general knowledge,
/// not re-read, 2026-11].
std::optional<Tick> karpenter_duration(Decoder& map, const std::string& key, const std::string& allowed) {
    const auto text = map.text(key);
    if (!text) return std::nullopt;
    bool shaped = !text->empty();
    for (std::size_t i = 0; i < text->size() && shaped; ++i) {
        const char c = (*text)[i];
        const bool digit = c >= '0' && c <= '9';
        const bool unit = c == 's' || c == 'm' || c == 'h';
        const bool after_digit = i > 0 && (*text)[i - 1] >= '0' && (*text)[i - 1] <= '9';
        shaped = digit || (unit && after_digit);
    }
    shaped = shaped && (text->back() < '0' || text->back() > '9');
    if (const auto value = shaped ? parse_go_duration(*text) : Result<Tick>(Problem{})) return *value;
    else if (shaped)
        map.error(key, value.problems().front().message);
    else
        map.error(key, "found \"" + *text + "\", allowed: " + allowed);
    return std::nullopt;
}

/// A duration or Never; `out` keeps its default where the key is absent.
void duration_or_never(Decoder& map, const std::string& key, std::optional<Tick>& out) {
    if (!map.has(key)) {
        map.quiet({key});
        return;
    }
    const Node* node = map.take(key);
    if (node->is_text() && node->text == "Never") {
        out.reset();
        return;
    }
    if (node->kind == Node::Kind::integer)
        return map.error(key, "found the number " + node->text + ", allowed: text with a unit such as " + node->text + "s, or Never");
    if (const auto value = karpenter_duration(map, key, "Never, or whole hours, minutes and seconds such as 720h, 1h30m or 30s")) out = *value;
}

std::optional<std::int64_t> whole(const std::string& text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

NodeRequirement decode_requirement(Decoder& item) {
    NodeRequirement out;
    out.where = item.where();
    out.path = item.path();
    SelectorExpression& e = out.expression;
    e.key = item.required_text("key");
    if (!item.has("operator")) item.missing("operator", "In, NotIn, Exists, DoesNotExist, Gt or Lt");
    const auto op = item.choice("operator", requirement_operators);
    e.op = op.value_or(SelectorOperator::exists);
    e.values = item.texts("values");
    if (!op) {  // said; what its values are to be is not known
        item.quiet({"minValues"});
        item.finish();
        return out;
    }
    const auto wrong = [&](const std::string& allowed) { item.error("values", fmt::format("found [{}], allowed: {}", join(e.values), allowed)); };
    switch (e.op) {
        case SelectorOperator::in:
            if (e.values.empty()) item.error("values", "is empty, allowed: at least one value for In");
            break;
        case SelectorOperator::not_in: break;
        case SelectorOperator::exists:
        case SelectorOperator::does_not_exist:
            if (!e.values.empty()) wrong("no values with Exists and DoesNotExist");
            break;
        case SelectorOperator::greater_than:
        case SelectorOperator::less_than:
            if (e.values.size() != 1 || !whole(e.values[0]) || *whole(e.values[0]) < 0) wrong("one whole number as text, such as [\"4\"], with Gt and Lt");
            break;
    }
    out.min_values = item.int32("minValues", 1, 50).value_or(0);
    if (out.min_values > 0 && e.op == SelectorOperator::in && static_cast<std::size_t>(out.min_values) > e.values.size())
        item.error("minValues", fmt::format("found {}, allowed: at most the number of values, {}", out.min_values, e.values.size()));
    // Labels that Karpenter refuses in a NodePool [from general knowledge, not re-read, 2026-11].
    if (e.key == "karpenter.sh/nodepool") item.error("key", "found karpenter.sh/nodepool, which Karpenter sets itself, allowed: other labels");
    if (e.key == "kubernetes.io/hostname") item.error("key", "found kubernetes.io/hostname, which no pool can require, allowed: other labels");
    item.finish();
    return out;
}

/// Two requirements on one key that no value meets.
void check_contradictions(const KarpenterNodePool& pool, Decoder& spec) {
    for (std::size_t i = 0; i < pool.requirements.size(); ++i)
        for (std::size_t j = 0; j < pool.requirements.size(); ++j) {
            const SelectorExpression& a = pool.requirements[i].expression;
            const SelectorExpression& b = pool.requirements[j].expression;
            if (i == j || a.key != b.key || a.op != SelectorOperator::in || (b.op == SelectorOperator::in && j < i)) continue;
            const bool possible = std::any_of(a.values.begin(), a.values.end(), [&](const std::string& v) { return b.matches({{a.key, v}}); });
            if (possible || a.values.empty()) continue;
            spec.findings().errors.push_back({pool.requirements[j].where, pool.requirements[j].path,
                                              fmt::format("found {} beside {}, which no node can meet, allowed: requirements that share a value",
                                                          pool.requirements[j].text(), pool.requirements[i].text())});
        }
    for (const auto& [key, value] : pool.labels)
        for (const NodeRequirement& r : pool.requirements)
            if (r.expression.key == key && !r.expression.matches({{key, value}}))
                spec.findings().errors.push_back({r.where, r.path, fmt::format("found {}, but the template's label {} is {}, allowed: requirements that its labels meet",
                                                                               r.text(), key, value)});
}

NodePoolBudget decode_budget(Decoder& item, bool beta) {
    NodePoolBudget out;
    out.where = item.where();
    if (const Node* node = item.take("nodes")) {
        // The CRD knows text only; what else `kubectl apply` would refuse is named with what to write.
        const auto count = whole(node->text);
        if (node->kind == Node::Kind::integer) item.error("nodes", fmt::format("found the number {}, allowed: text; write \"{}\" in quotes", node->text, node->text));
        else if (node->is_text() && count && *count >= 0 && *count <= INT32_MAX) out.nodes = {*count, false};
        else if (const auto share = node->is_text() ? parse_percent(node->text) : Result<IntOrPercent>(Problem{}); share && share->value >= 0 && share->value <= 100) out.nodes = *share;
        else item.error("nodes", "found " + describe(*node) + ", allowed: a number of nodes or a percentage from 0% to 100%");
    }
    if (beta && item.has("reasons")) item.error("reasons", "is a field of karpenter.sh/v1, allowed: apiVersion karpenter.sh/v1, or budgets without reasons");
    static const std::vector<std::pair<std::string, DisruptionReason>> reasons = {
        {"Underutilized", DisruptionReason::underutilized}, {"Empty", DisruptionReason::empty}, {"Drifted", DisruptionReason::drifted}};
    for (const std::string& name : item.texts("reasons")) {
        const auto row = std::find_if(reasons.begin(), reasons.end(), [&](const auto& r) { return r.first == name; });
        if (row == reasons.end()) item.error("reasons", "found \"" + name + "\", allowed: Underutilized, Empty, Drifted" + did_you_mean(name, {"Underutilized", "Empty", "Drifted"}));
        else out.reasons |= static_cast<std::uint8_t>(row->second);
    }
    out.schedule = item.text("schedule");
    out.duration = karpenter_duration(item, "duration", "hours and minutes such as 8h, 30m or 1h30m");
    if (out.duration && out.duration->count % (60 * ticks_per_second) != 0) item.error("duration", "has seconds, allowed: hours and minutes such as 8h, 30m or 1h30m");
    if (item.has("schedule") != item.has("duration"))
        item.error(item.has("schedule") ? "schedule" : "duration", std::string("stands without ") + (item.has("schedule") ? "duration" : "schedule") + ", allowed: both or neither");
    else if (out.schedule && out.duration) {
        const auto parsed = parse_budget_schedule(out.schedule, std::chrono::seconds(out.duration->count / ticks_per_second), item.where("schedule"), item.path_of("schedule"));
        if (parsed) out.active = *parsed;
        else
            for (Problem p : parsed.problems()) {
                if (p.where.file.empty()) p.where = item.where("schedule");
                if (p.path.empty()) p.path = item.path_of("schedule");
                item.findings().errors.push_back(std::move(p));
            }
    }
    item.finish();
    return out;
}

void decode_disruption(Decoder& spec, KarpenterNodePool& out, bool beta) {
    Decoder disruption = spec.child("disruption");
    if (beta) {
        const auto policy = disruption.choice<ConsolidationPolicy>(
            "consolidationPolicy", {{"WhenEmpty", ConsolidationPolicy::when_empty}, {"WhenUnderutilized", ConsolidationPolicy::when_empty_or_underutilized}});
        out.consolidation = policy.value_or(ConsolidationPolicy::when_empty_or_underutilized);
        // v1beta1: WhenUnderutilized acts at once (it had its own 15 s), WhenEmpty needs consolidateAfter
        // [from general knowledge, not re-read, 2026-11].
        const bool empty_only = out.consolidation == ConsolidationPolicy::when_empty;
        const Node* after = disruption.take("consolidateAfter");
        if (after && !empty_only && after->text != "Never")
            disruption.error("consolidateAfter", "stands beside consolidationPolicy WhenUnderutilized, allowed in v1beta1: only with WhenEmpty (v1 knows both)");
        else if (!after && empty_only)
            disruption.missing("consolidateAfter", "a duration such as 30s, or Never, with WhenEmpty in v1beta1");
        duration_or_never(disruption, "consolidateAfter", out.consolidate_after);
        duration_or_never(disruption, "expireAfter", out.expire_after);
    } else {
        if (const Node* policy = disruption.take("consolidationPolicy"); policy && policy->text == "WhenUnderutilized")
            disruption.error("consolidationPolicy", "found \"WhenUnderutilized\" of v1beta1, allowed: WhenEmptyOrUnderutilized, WhenEmpty, Balanced");
        else
            out.consolidation = disruption.choice<ConsolidationPolicy>("consolidationPolicy",
                                                                       {{"WhenEmptyOrUnderutilized", ConsolidationPolicy::when_empty_or_underutilized},
                                                                        {"WhenEmpty", ConsolidationPolicy::when_empty}, {"Balanced", ConsolidationPolicy::balanced}})
                                    .value_or(ConsolidationPolicy::when_empty_or_underutilized);
        duration_or_never(disruption, "consolidateAfter", out.consolidate_after);
        if (disruption.take("expireAfter"))
            disruption.error("expireAfter", "is a field of v1beta1, allowed in karpenter.sh/v1: spec.template.spec.expireAfter");
    }
    if (out.consolidation == ConsolidationPolicy::balanced)
        disruption.warn("consolidationPolicy", "Balanced is simulated as WhenEmptyOrUnderutilized");
    if (const Node* budgets = disruption.take("budgets")) {
        out.budgets.clear();
        if (budgets->is_list() && budgets->children.size() > 50) disruption.error("budgets", "has more than 50 entries, allowed: at most 50");
        for (Decoder& item : disruption.children("budgets")) out.budgets.push_back(decode_budget(item, beta));
    }
    disruption.finish();
}

std::map<std::string, Quantity> quantities(Decoder map) {
    std::map<std::string, Quantity> out;
    for (const Node& member : map.node().children)
        if (const auto value = map.quantity(member.key)) {
            if (*value < Quantity{}) map.error(member.key, "is negative, allowed: 0 and more");
            out[member.key] = *value;
        }
    return out;
}

/// The kubelet's settings that reach allocatable; the rest has no effect on where pods run.
template <class Kubelet>
void decode_kubelet(Decoder kubelet, Kubelet& out) {
    if (const auto most = kubelet.integer("maxPods", 0, INT32_MAX)) out.max_pods = most;
    out.pods_per_core = kubelet.integer("podsPerCore", 0, INT32_MAX);
    out.kube_reserved = quantities(kubelet.child("kubeReserved"));
    out.system_reserved = quantities(kubelet.child("systemReserved"));
    kubelet.harmless({"clusterDNS", "cpuCFSQuota", "imageGCHighThresholdPercent", "imageGCLowThresholdPercent", "evictionHard", "evictionSoft",
                      "evictionSoftGracePeriod", "evictionMaxPodGracePeriod"});
    kubelet.finish();
}

}  // namespace

std::string NodeRequirement::text() const {
    for (const auto& [name, op] : requirement_operators)
        if (op == expression.op) return expression.key + " " + name + (expression.values.empty() ? "" : " [" + join(expression.values) + "]");
    return expression.key;
}

KarpenterNodePool decode_node_pool(Decoder& object, ObjectMeta meta, bool beta) {
    KarpenterNodePool out;
    out.meta = std::move(meta);
    out.where = out.meta.where;
    if (!object.has("spec")) object.missing("spec", "the pool's spec with template");
    Decoder spec = object.child("spec");
    if (object.has("spec") && !spec.has("template")) spec.missing("template", "a map with spec.requirements and spec.nodeClassRef");
    Decoder pod_template = spec.child("template");
    Decoder metadata = pod_template.child("metadata");
    out.labels = metadata.text_map("labels");
    const Labels annotations = metadata.text_map("annotations");
    const auto kept = annotations.find("karpenter.sh/do-not-disrupt");
    out.do_not_disrupt = kept != annotations.end() && kept->second == "true";
    metadata.finish();
    Decoder node = pod_template.child("spec");
    if (spec.has("template") && !node.has("requirements")) node.missing("requirements", "a list of {key, operator, values}");
    for (Decoder& item : node.children("requirements")) out.requirements.push_back(decode_requirement(item));
    out.taints = decode_taint_list(node, "taints");
    out.startup_taints = decode_taint_list(node, "startupTaints");
    if (spec.has("template") && !node.has("nodeClassRef")) node.missing("nodeClassRef", beta ? "apiVersion, kind and name of the node class" : "group, kind and name of the node class");
    Decoder reference = node.child("nodeClassRef");
    if (node.has("nodeClassRef")) {
        out.node_class = reference.required_text("name");
        out.node_class_kind = reference.text("kind").value_or("EC2NodeClass");
        if (beta) {
            reference.quiet({"apiVersion", "group"});
        } else {
            if (reference.has("apiVersion")) reference.error("apiVersion", "is a field of v1beta1, allowed in karpenter.sh/v1: group (karpenter.k8s.aws, without a version)");
            reference.quiet({"apiVersion", "group"});
            if (!reference.has("group")) reference.missing("group", "the node class's API group, such as karpenter.k8s.aws");
            if (!reference.has("kind")) reference.missing("kind", "the node class's kind, such as EC2NodeClass");
        }
        reference.finish();
    }
    if (beta) {
        decode_kubelet(node.child("kubelet"), out);
        for (const char* key : {"expireAfter", "terminationGracePeriod"})
            if (node.take(key)) node.error(key, "is a field of karpenter.sh/v1, allowed in v1beta1: " + std::string(key == std::string("expireAfter") ? "spec.disruption.expireAfter" : "no such field; write apiVersion karpenter.sh/v1"));
        node.harmless({"resources"});
    } else {
        if (node.take("kubelet")) node.error("kubelet", "is a field of v1beta1, allowed in karpenter.sh/v1: spec.kubelet of the EC2NodeClass");
        duration_or_never(node, "expireAfter", out.expire_after);
        out.termination_grace = karpenter_duration(node, "terminationGracePeriod", "whole hours, minutes and seconds such as 48h");
    }
    node.finish();
    pod_template.finish();
    decode_disruption(spec, out, beta);
    out.limits = quantities(spec.child("limits"));
    out.weight = spec.int32("weight", 1, 100).value_or(1);
    if (beta && spec.has("replicas")) spec.error("replicas", "is a field of karpenter.sh/v1, allowed: apiVersion karpenter.sh/v1");
    out.replicas = spec.int32("replicas", 0);
    if (out.replicas) {
        // Static capacity: only a limit on nodes, and no weight [from general knowledge, not re-read, 2026-11].
        for (const auto& [name, quantity] : out.limits)
            if (name != "nodes") spec.error("limits", "found " + name + " in a pool with replicas, allowed: nodes only");
        if (spec.has("weight")) spec.error("weight", "stands beside replicas, allowed: pools without replicas");
    }
    spec.finish();
    check_contradictions(out, spec);
    return out;
}

KarpenterNodeClass decode_ec2_node_class(Decoder& object, ObjectMeta meta, bool beta) {
    KarpenterNodeClass out;
    out.meta = std::move(meta);
    Decoder spec = object.child("spec");
    if (!object.has("spec")) object.missing("spec", "the node class's spec");
    const std::vector<std::pair<std::string, int>> families = {{"AL2", 0}, {"AL2023", 1}, {"Bottlerocket", 2}, {"Ubuntu", 3}, {"Custom", 4}, {"Windows2019", 5}, {"Windows2022", 6}, {"Windows2025", 7}};
    if (const auto family = spec.choice<int>("amiFamily", families); family && *family >= 5) spec.error("amiFamily", "names Windows nodes, allowed: Linux ones, which model servers need");
    if (beta && !spec.has("amiFamily")) spec.missing("amiFamily", "AL2, AL2023, Bottlerocket, Ubuntu or Custom (v1beta1 demands it)");
    const bool ami = spec.take("amiSelectorTerms") != nullptr;
    if (!beta && !ami && object.has("spec")) spec.missing("amiSelectorTerms", "a list such as [{alias: al2023@latest}]");
    for (Decoder& term : spec.children("amiSelectorTerms")) {
        const auto alias = term.text("alias");
        if (alias && alias->find('@') == std::string::npos) term.error("alias", "found \"" + *alias + "\", allowed: FAMILY@VERSION such as al2023@latest");
        term.quiet({"tags", "id", "name", "owner", "ssmParameter"});
        term.finish();
    }
    for (const char* key : {"subnetSelectorTerms", "securityGroupSelectorTerms"}) {
        for (Decoder& term : spec.children(key)) {
            term.quiet({"tags", "id", "name"});
            term.finish();
        }
        if (!spec.has(key) && object.has("spec")) spec.missing(key, "a list such as [{tags: {karpenter.sh/discovery: CLUSTER}}]");
    }
    if (spec.has("role") && spec.has("instanceProfile")) spec.error("instanceProfile", "stands beside role, allowed: one of them");
    spec.quiet({"role", "instanceProfile"});
    if (const auto policy = spec.choice<bool>("instanceStorePolicy", {{"RAID0", true}})) out.instance_store = *policy;
    bool first = true;
    for (Decoder& mapping : spec.children("blockDeviceMappings")) {
        const bool root = mapping.boolean("rootVolume").value_or(false);
        mapping.quiet({"deviceName"});
        Decoder ebs = mapping.child("ebs");
        const auto size = ebs.quantity("volumeSize");
        if (size && (root || first)) out.root_volume_bytes = size->ceil();
        ebs.quiet({"volumeType", "iops", "throughput", "encrypted", "kmsKeyID", "deleteOnTermination", "snapshotID", "volumeInitializationRate"});
        ebs.finish();
        mapping.finish();
        first = false;
    }
    if (beta && spec.has("kubelet")) spec.error("kubelet", "is a field of karpenter.k8s.aws/v1, allowed in v1beta1: spec.template.spec.kubelet of the NodePool");
    decode_kubelet(spec.child("kubelet"), out);
    for (Decoder& term : spec.children("capacityReservationSelectorTerms")) {
        if (const auto id = term.text("id"); id && !id->starts_with("cr-")) term.error("id", "found \"" + *id + "\", allowed: a capacity reservation's id such as cr-0123456789abcdef0");
        if (term.has("id") && (term.has("tags") || term.has("ownerID"))) term.error("id", "stands beside tags or ownerID, allowed: alone");
        (void)term.choice<bool>("instanceMatchCriteria", {{"open", true}, {"targeted", false}});
        term.quiet({"tags", "ownerID"});
        term.finish();
        out.selects_reservations = true;
    }
    if (spec.has("capacityReservationSelectorTerms"))
        spec.note("capacityReservationSelectorTerms", "which reservations there are and how many nodes they hold, cluster.reservations says");
    spec.unsupported({"placementGroupSelector"}, "placement groups");
    spec.harmless({"userData", "tags", "metadataOptions", "detailedMonitoring", "associatePublicIPAddress", "context", "ipPrefixCount", "networkInterfaces"});
    spec.finish();
    const Node* status = object.take("status");
    // Which there are, without how many nodes they hold (Karpenter documentation, NodeClasses, 2025).
    if (const Node* reservations = status != nullptr ? status->find("capacityReservations") : nullptr)
        for (const Node& r : reservations->children) {
            const std::string end = r.text_at({"endTime"}), state = r.text_at({"state"});
            if (!state.empty() && state != "active") continue;
            out.reservations.push_back(r.text_at({"id"}) + " (" + r.text_at({"instanceType"}) + " in " + r.text_at({"availabilityZone"}) + (r.text_at({"reservationType"}) == "capacity-block" ? ", a capacity block" : "") +
                                       (end.empty() ? "" : ", until " + end) + ")");
        }
    if (status != nullptr)
        if (const Node* subnets = status->find("subnets"))
            for (const Node& subnet : subnets->children)
                if (const std::string zone = subnet.text_at({"zone"}); !zone.empty() && std::find(out.zones.begin(), out.zones.end(), zone) == out.zones.end()) out.zones.push_back(zone);
    return out;
}

KarpenterNodeClass decode_aks_node_class(Decoder& object, ObjectMeta meta) {
    KarpenterNodeClass out;
    out.meta = std::move(meta);
    Decoder spec = object.child("spec");
    out.max_pods = spec.integer("maxPods", 10, 250);
    if (const auto size = spec.int32("osDiskSizeGB", 30, 2048)) out.root_volume_bytes = std::int64_t{*size} << 30;
    decode_kubelet(spec.child("kubelet"), out);
    spec.harmless({"imageFamily", "imageVersion", "vnetSubnetID", "tags", "fipsMode", "security", "localDNS"});
    spec.finish();
    return out;
}

KarpenterNodeClass decode_gce_node_class(Decoder& object, ObjectMeta meta) {
    KarpenterNodeClass out;
    out.meta = std::move(meta);
    Decoder spec = object.child("spec");
    for (Decoder& disk : spec.children("disks")) {
        const bool boot = disk.boolean("boot").value_or(false);
        const auto size = disk.int32("sizeGiB", 1);
        if (boot && size) out.root_volume_bytes = std::int64_t{*size} << 30;
        disk.quiet({"category", "categories", "image", "interface", "localSsd"});
        disk.finish();
    }
    decode_kubelet(spec.child("kubeletConfiguration"), out);
    spec.harmless({"imageSelectorTerms", "imageFamily", "serviceAccount", "networkTags", "labels", "metadata", "subnetRangeName", "shieldedInstanceConfig", "networkConfig"});
    spec.finish();
    return out;
}

namespace {

/// "+10%", "-0.5": a signed share in millionths, or a sum.
void decode_adjustment(Decoder& spec, KarpenterOverlay& out) {
    const auto text = spec.text("priceAdjustment");
    if (!text) return;
    const bool percent = text->ends_with("%");
    const bool sign = text->starts_with("+") || text->starts_with("-");
    const std::string digits = sign ? text->substr(1, text->size() - 1 - (percent ? 1 : 0)) : "";
    const auto nano = parse_nano_usd(digits);  // of USD, or of percent
    if (!nano || *nano < 0 || (text->starts_with("-") && percent && *nano > 100'000'000'000)) {
        spec.error("priceAdjustment", "found \"" + *text + "\", allowed: a sign and USD an hour or a share, such as +0.50, -10% (at most -100%)");
        return;
    }
    const std::int64_t by = text->starts_with("-") ? -1 : 1;
    if (percent) out.plus_ppm = by * (*nano / 100'000);  // billionths of a percent to millionths
    else out.plus_nano_usd = by * *nano;
}

}  // namespace

KarpenterOverlay decode_node_overlay(Decoder& object, ObjectMeta meta) {
    KarpenterOverlay out;
    out.meta = std::move(meta);
    out.where = out.meta.where;
    if (!object.has("spec")) object.missing("spec", "requirements with price, priceAdjustment or capacity");
    Decoder spec = object.child("spec");
    for (Decoder& item : spec.children("requirements")) out.requirements.push_back(decode_requirement(item));
    out.weight = spec.int32("weight", 1, 10000).value_or(0);
    if (spec.has("price") && spec.has("priceAdjustment")) spec.error("price", "stands beside priceAdjustment, allowed: one of them");
    out.nano_usd = spec.nano_usd("price");
    decode_adjustment(spec, out);
    spec.unsupported({"capacity"}, "resources that an overlay adds to nodes; no device of theirs is known");
    spec.finish();
    return out;
}

bool KarpenterOverlay::matches(const Labels& labels) const {
    return std::all_of(requirements.begin(), requirements.end(), [&](const NodeRequirement& r) { return r.expression.matches(labels); });
}

std::int64_t KarpenterOverlay::price(std::int64_t nano) const {
    if (nano_usd) return *nano_usd;
    const std::int64_t more = plus_nano_usd ? *plus_nano_usd : plus_ppm ? nano / 1000000 * *plus_ppm + nano % 1000000 * *plus_ppm / 1000000 : 0;
    return std::max<std::int64_t>(nano + more, 0);
}

KarpenterNodeClaim decode_node_claim(Decoder& object, ObjectMeta meta) {
    KarpenterNodeClaim out;
    out.meta = std::move(meta);
    object.quiet({"spec"});
    if (const auto label = out.meta.labels.find("karpenter.sh/nodepool"); label != out.meta.labels.end()) out.pool = label->second;
    if (const Node* status = object.take("status")) {
        out.node = status->text_at({"nodeName"});
        if (const Node* conditions = status->find("conditions"))
            for (const Node& condition : conditions->children)
                if (condition.text_at({"type"}) == "Initialized") out.initialized = condition.text_at({"status"}) == "True";
    }
    return out;
}

}  // namespace windtunnel
