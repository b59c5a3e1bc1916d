// ResourceQuota, LimitRange and storage: what a namespace and its volumes allow.
#include "scenarios/kubernetes/kubernetes_policy_objects.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

using Amounts = std::map<std::string, std::int64_t>;

bool is_cpu(const std::string& name) { return name == "cpu" || name == "requests.cpu" || name == "limits.cpu"; }

/// A map of quantities: cpu in thousandths, everything else in its unit.
Amounts decode_amounts(Decoder list) {
    Amounts out;
    for (const Node& member : list.node().children) {
        const auto quantity = list.quantity(member.key);
        if (!quantity) continue;
        if (quantity->whole < 0) list.error(member.key, "found " + describe(member) + ", allowed: at least 0");
        else out[member.key] = is_cpu(member.key) ? quantity->milli_ceil() : quantity->ceil();
    }
    return out;
}

/// One name per thing: a quota's "cpu" is requests.cpu.
std::string canonical(const std::string& key) {
    return key == "cpu" || key == "memory" || key == "ephemeral-storage" ? "requests." + key : key;
}

bool is_quota_key(const std::string& key) {
    for (const char* known : {"cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.ephemeral-storage", "requests.storage",
                              "limits.cpu", "limits.memory", "limits.ephemeral-storage", "persistentvolumeclaims", "pods", "services",
                              "services.loadbalancers", "services.nodeports", "configmaps", "secrets", "replicationcontrollers", "resourcequotas"})
        if (key == known) return true;
    return key.starts_with("count/") || key.find("hugepages-") != std::string::npos || key.find(".storageclass.storage.k8s.io/") != std::string::npos ||
           (key.starts_with("requests.") && key.find('/') != std::string::npos);
}

const std::vector<std::pair<std::string, QuotaScope>> scopes = {
    {"Terminating", QuotaScope::terminating}, {"NotTerminating", QuotaScope::not_terminating}, {"BestEffort", QuotaScope::best_effort},
    {"NotBestEffort", QuotaScope::not_best_effort}, {"CrossNamespacePodAffinity", QuotaScope::cross_namespace_pod_affinity},
    {"PriorityClass", QuotaScope::priority_class}, {"VolumeAttributesClass", QuotaScope::volume_attributes_class}};

std::vector<NodeAffinityTerm> decode_terms(Decoder& map, const std::string& key) {
    std::vector<NodeAffinityTerm> out;
    for (Decoder& term : map.children(key)) {
        NodeAffinityTerm entry;
        entry.expressions = decode_expressions(term, "matchExpressions");
        entry.fields = decode_expressions(term, "matchFields");
        term.finish();
        out.push_back(std::move(entry));
    }
    return out;
}

}  // namespace

ResourceQuotaObject decode_resource_quota(Decoder& object, ObjectMeta meta) {
    ResourceQuotaObject out;
    out.meta = std::move(meta);
    if (!object.has("spec")) object.missing("spec", "hard");
    Decoder spec = object.child("spec");
    Decoder hard = spec.child("hard");
    for (const auto& [key, amount] : decode_amounts(hard)) {
        const bool extended = key.find('/') != std::string::npos;
        if (extended && key.starts_with("limits."))
            hard.error(key, "limits an extended resource, which has no limits of its own, allowed: requests." + key.substr(7));
        else if (!is_quota_key(key) && extended)
            hard.warn(key, "limits nothing: extended resources count as requests." + key);
        else if (!is_quota_key(key))
            hard.error(key, "is no resource that a quota knows" + did_you_mean(key, {"requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "pods", "requests.storage", "persistentvolumeclaims", "requests.nvidia.com/gpu"}));
        else
            out.hard[canonical(key)] = amount;
        const bool divided = is_cpu(key) || key.find("memory") != std::string::npos || key.find("storage") != std::string::npos || key.find("hugepages-") != std::string::npos;
        if (const auto quantity = hard.quantity(key); !divided && quantity && quantity->milli_ceil() % 1000 != 0) hard.error(key, "found a part of one, allowed: whole numbers");
    }
    for (const std::string& name : spec.texts("scopes")) {
        const auto found = std::find_if(scopes.begin(), scopes.end(), [&](const auto& s) { return s.first == name; });
        if (found != scopes.end()) out.scopes.push_back({found->second, SelectorOperator::exists, {}});
        else spec.error("scopes", "found " + name + ", allowed: Terminating, NotTerminating, BestEffort, NotBestEffort, CrossNamespacePodAffinity, PriorityClass");
    }
    Decoder selector = spec.child("scopeSelector");
    for (Decoder& item : selector.children("matchExpressions")) {
        QuotaScopeRule rule;
        rule.scope = item.choice("scopeName", scopes).value_or(QuotaScope::not_terminating);
        rule.op = item.choice<SelectorOperator>("operator", {{"In", SelectorOperator::in}, {"NotIn", SelectorOperator::not_in}, {"Exists", SelectorOperator::exists},
                                                             {"DoesNotExist", SelectorOperator::does_not_exist}}).value_or(SelectorOperator::exists);
        rule.values = item.texts("values");
        if ((rule.op == SelectorOperator::in || rule.op == SelectorOperator::not_in) && rule.values.empty()) item.error("values", "is empty, allowed: at least one value");
        if (!item.has("operator")) item.missing("operator", "In, NotIn, Exists or DoesNotExist");
        const bool of_values = rule.scope == QuotaScope::priority_class || rule.scope == QuotaScope::volume_attributes_class;
        if (!of_values && rule.op != SelectorOperator::exists) item.error("operator", "stands with a scope that takes no values, allowed: Exists");
        item.finish();
        out.scopes.push_back(std::move(rule));
    }
    const auto has = [&](QuotaScope scope) { return std::any_of(out.scopes.begin(), out.scopes.end(), [&](const QuotaScopeRule& r) { return r.scope == scope; }); };
    if (has(QuotaScope::terminating) && has(QuotaScope::not_terminating)) spec.error("scopes", "found Terminating and NotTerminating, allowed: one of them");
    if (has(QuotaScope::best_effort) && has(QuotaScope::not_best_effort)) spec.error("scopes", "found BestEffort and NotBestEffort, allowed: one of them");
    selector.finish();
    spec.finish();
    Decoder status = object.child("status");
    for (const auto& [key, amount] : decode_amounts(status.child("used"))) out.used[canonical(key)] = amount;
    return out;
}

LimitRangeObject decode_limit_range(Decoder& object, ObjectMeta meta) {
    LimitRangeObject out;
    out.meta = std::move(meta);
    Decoder spec = object.child("spec");
    for (Decoder& item : spec.children("limits")) {
        if (item.text("type").value_or("").find('/') != std::string::npos) {
            item.note("type", "is another system's, whose rules are not simulated");
            continue;
        }
        LimitRangeItem entry;
        using Type = LimitRangeItem::Type;
        entry.type = item.choice<Type>("type", {{"Container", Type::container}, {"Pod", Type::pod}, {"PersistentVolumeClaim", Type::claim}}).value_or(Type::container);
        if (!item.has("type")) item.missing("type", "Container, Pod or PersistentVolumeClaim");
        entry.min = decode_amounts(item.child("min"));
        entry.max = decode_amounts(item.child("max"));
        entry.default_limit = decode_amounts(item.child("default"));
        entry.default_request = decode_amounts(item.child("defaultRequest"));
        Decoder ratio = item.child("maxLimitRequestRatio");
        for (const Node& member : ratio.node().children)
            if (const auto quantity = ratio.quantity(member.key)) entry.max_ratio_milli[member.key] = quantity->milli_ceil();
        for (const char* key : {"min", "max", "default", "defaultRequest", "maxLimitRequestRatio"}) {
            Decoder amounts = item.child(key);
            for (const Node& member : amounts.node().children) {
                const std::string& name = member.key;
                const bool known = entry.type == Type::claim ? name == "storage" : name == "cpu" || name == "memory" || name == "ephemeral-storage" || name.find('/') != std::string::npos;
                if (!known && name.starts_with("hugepages-")) amounts.error(name, "would change the result and is not simulated: a rule about huge pages");
                else if (!known) amounts.error(name, "is no resource of such a rule" + did_you_mean(name, {"cpu", "memory", "ephemeral-storage", "storage"}));
            }
        }
        if (entry.type != Type::container && (item.has("default") || item.has("defaultRequest")))
            item.error(item.has("default") ? "default" : "defaultRequest", "stands in a rule for pods or claims, allowed: with type Container");
        // How the API server completes a rule for containers [from general knowledge, not re-read, 2026-11].
        if (entry.type == Type::container) {
            for (const auto& [key, amount] : entry.max) entry.default_limit.try_emplace(key, amount);
            for (const auto& [key, amount] : entry.default_limit) entry.default_request.try_emplace(key, amount);
            for (const auto& [key, amount] : entry.min) entry.default_request.try_emplace(key, amount);
        }
        const auto at_most = [&](const char* field, const auto& amounts, const char* bound, const auto& bounds) {
            for (const auto& [key, amount] : amounts)
                if (const auto most = bounds.find(key); most != bounds.end() && amount > most->second) item.error(field, std::string("is above ") + bound + " for " + key + ", allowed: at most that");
        };
        at_most("min", entry.min, "max", entry.max);
        if (entry.type == Type::container) {
            at_most("default", entry.default_limit, "max", entry.max);
            at_most("defaultRequest", entry.default_request, "default", entry.default_limit);
            at_most("min", entry.min, "default", entry.default_limit);
            at_most("min", entry.min, "defaultRequest", entry.default_request);
        }
        for (const auto& [key, milli] : entry.max_ratio_milli)
            if (milli < 1000) item.error("maxLimitRequestRatio", "is below 1 for " + key + ", allowed: at least 1");
        item.finish();
        out.items.push_back(std::move(entry));
    }
    spec.finish();
    return out;
}

namespace {

/// What a pod's containers have together of a resource, as limitranger adds up: nothing where one of them says nothing,
/// unless an init container asks for it, and never less than an init container asks for.
std::optional<std::int64_t> in_all_containers(const PodTemplate& pod, std::optional<std::int64_t> Resources::*of) {
    if (pod.pod_resources && (*pod.pod_resources).*of) return (*pod.pod_resources).*of;
    std::optional<std::int64_t> sum = 0;
    for (const Container& c : pod.containers) sum = sum && c.resources.*of ? std::optional(*sum + *(c.resources.*of)) : std::nullopt;
    for (const Container& c : pod.init_containers)
        if (const auto asked = c.resources.*of) sum = std::max(sum.value_or(0), *asked);
    return sum;
}

/// Whether a ratio of limit to request is refused: it is above the largest, or there is none to look at.
bool exceeds_ratio(std::optional<std::int64_t> limit, std::optional<std::int64_t> request, std::int64_t most_milli) {
    if (!limit || !request || *limit <= 0 || *request <= 0) return true;
    return static_cast<double>(*limit) * 1000 > static_cast<double>(most_milli) * static_cast<double>(*request);
}

}  // namespace

void apply_limit_range(const LimitRangeObject& range, PodTemplate& pod, const std::string& place, Findings& findings) {
    struct Field {
        const char* name;
        std::optional<std::int64_t> Resources::*request;
        std::optional<std::int64_t> Resources::*limit;
    };
    const Field fields[] = {{"cpu", &Resources::cpu_request_milli, &Resources::cpu_limit_milli},
                            {"memory", &Resources::memory_request_bytes, &Resources::memory_limit_bytes},
                            {"ephemeral-storage", &Resources::ephemeral_storage_bytes, &Resources::ephemeral_storage_limit_bytes}};
    const auto refuse = [&](const SourcePosition& where, const std::string& path, const std::string& what) {
        findings.errors.push_back({where, path, place + " " + what + " of " + range.meta.title() + ", so the API server would refuse its pods"});
    };
    const auto find = [](const Amounts& amounts, const char* key) {
        const auto found = amounts.find(key);
        return found == amounts.end() ? std::optional<std::int64_t>{} : std::optional(found->second);
    };
    const auto hold = [&](const LimitRangeItem& item, const Field& f, std::optional<std::int64_t> request, std::optional<std::int64_t> limit, const SourcePosition& where, const std::string& path, const std::string& of) {
        const auto least = find(item.min, f.name), most = find(item.max, f.name), ratio = find(item.max_ratio_milli, f.name);
        const std::string name = f.name;
        if (least && (!request || *request < *least)) refuse(where, path, "requests less " + name + of + " than the minimum");
        if (most && (!limit || *limit > *most)) refuse(where, path, "may use more " + name + of + " than the maximum");
        if (ratio && exceeds_ratio(limit, request, *ratio)) refuse(where, path, "has a larger ratio of limit to request in " + name + ", or none," + of + " than maxLimitRequestRatio");
    };
    for (const LimitRangeItem& item : range.items) {
        if (item.type != LimitRangeItem::Type::container) continue;
        for (auto* list : {&pod.containers, &pod.init_containers})
            for (Container& c : *list)
                for (const Field& f : fields) {
                    // Defaulting of the pod came first: a limit without a request is also the request.
                    auto& request = c.resources.*f.request;
                    auto& limit = c.resources.*f.limit;
                    if (!limit) limit = find(item.default_limit, f.name);
                    if (!request) request = find(item.default_request, f.name);
                    if (request && limit && *request > *limit) refuse(c.where, c.path, std::string("requests more ") + f.name + " than the default limit");
                    hold(item, f, request, limit, c.where, c.path, "");
                }
    }
    for (const LimitRangeItem& item : range.items) {
        if (item.type != LimitRangeItem::Type::container) continue;
        for (Container& c : pod.containers) {
            for (const auto& [name, amount] : item.default_limit)  // of devices the request is the limit
                if (name.find('/') != std::string::npos) c.resources.extended.try_emplace(name, amount);
            for (const auto& [name, amount] : c.resources.extended) {
                const auto least = find(item.min, name.c_str()), most = find(item.max, name.c_str());
                if (least && amount < *least) refuse(c.where, c.path, "requests less " + name + " than the minimum");
                if (most && amount > *most) refuse(c.where, c.path, "may use more " + name + " than the maximum");
            }
        }
    }
    for (const LimitRangeItem& item : range.items) {
        if (item.type != LimitRangeItem::Type::pod) continue;
        const auto devices = pod.extended_requests();
        for (const auto* bounds : {&item.min, &item.max})
            for (const auto& [name, amount] : *bounds) {
                if (name.find('/') == std::string::npos) continue;
                const auto asked = devices.find(name);
                const std::int64_t has = asked == devices.end() ? 0 : asked->second;
                if (bounds == &item.min ? has < amount : has > amount)
                    refuse(pod.where, pod.path, std::string("asks for ") + (bounds == &item.min ? "less " : "more ") + name + " in all its containers than the " + (bounds == &item.min ? "minimum" : "maximum"));
            }
        for (const Field& f : fields) hold(item, f, in_all_containers(pod, f.request), in_all_containers(pod, f.limit), pod.where, pod.path, " in all its containers");
    }
}

void check_claim(const LimitRangeObject& range, const VolumeClaim& claim, Findings& findings) {
    for (const LimitRangeItem& item : range.items) {
        if (item.type != LimitRangeItem::Type::claim) continue;
        const auto least = item.min.find("storage"), most = item.max.find("storage");
        const bool small = least != item.min.end() && claim.request_bytes < least->second, large = most != item.max.end() && claim.request_bytes > most->second;
        if (small || large)
            findings.errors.push_back({claim.meta.where, "spec.resources.requests.storage",
                                       claim.meta.title() + (small ? " asks for less storage than the minimum" : " asks for more storage than the maximum") + " of " + range.meta.title() + ", so the API server would refuse it"});
    }
}

StorageClassObject decode_storage_class(Decoder& object, ObjectMeta meta) {
    StorageClassObject out;
    out.meta = std::move(meta);
    out.provisioner = object.required_text("provisioner");
    out.waits_for_consumer = object.choice<bool>("volumeBindingMode", {{"Immediate", false}, {"WaitForFirstConsumer", true}}).value_or(false);
    out.parameters = object.text_map("parameters");
    for (const char* key : {"storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"})
        if (const auto found = out.meta.annotations.find(key); found != out.meta.annotations.end() && found->second == "true") out.is_default = true;
    for (Decoder& term : object.children("allowedTopologies")) {
        NodeAffinityTerm entry;
        for (Decoder& item : term.children("matchLabelExpressions")) {
            entry.expressions.push_back({item.required_text("key"), SelectorOperator::in, item.texts("values")});
            item.finish();
        }
        term.finish();
        out.allowed_topologies.push_back(std::move(entry));
    }
    object.quiet({"reclaimPolicy", "allowVolumeExpansion", "mountOptions"});
    return out;
}

PersistentVolumeObject decode_persistent_volume(Decoder& object, ObjectMeta meta) {
    PersistentVolumeObject out;
    out.meta = std::move(meta);
    Decoder spec = object.child("spec");
    if (const auto size = spec.child("capacity").quantity("storage")) out.capacity_bytes = size->ceil();
    out.storage_class = spec.text("storageClassName").value_or("");
    out.access_modes = spec.texts("accessModes");
    Decoder required = spec.child("nodeAffinity").child("required");
    out.node_affinity = decode_terms(required, "nodeSelectorTerms");
    if (const Node* claim = spec.take("claimRef")) out.claim = claim->text_at({"namespace"}) + "/" + claim->text_at({"name"});
    // The rest says where the bytes are (nfs, csi, gcePersistentDisk, ...).
    object.quiet({"spec"});
    return out;
}

}  // namespace windtunnel
