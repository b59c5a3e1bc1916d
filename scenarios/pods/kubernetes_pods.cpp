// Pod templates: where a pod may run, what it takes there, and how long it lives.
#include "scenarios/pods/kubernetes_pods.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <tuple>

#include "policies/node_lifecycle.hpp"
#include "policies/scheduler_rules.hpp"

namespace windtunnel {
namespace {

const std::string required_terms = "requiredDuringSchedulingIgnoredDuringExecution";
const std::string preferred_terms = "preferredDuringSchedulingIgnoredDuringExecution";

NodeAffinityTerm decode_node_term(Decoder& term) {
    NodeAffinityTerm out;
    out.expressions = decode_expressions(term, "matchExpressions");
    out.fields = decode_expressions(term, "matchFields");
    for (const SelectorExpression& field : out.fields) {
        if (field.key != "metadata.name") term.error("matchFields", "found the field " + field.key + ", allowed: metadata.name");
        const bool listed = field.op == SelectorOperator::in || field.op == SelectorOperator::not_in;
        if (!listed || field.values.size() != 1) term.error("matchFields", "allowed: operator In or NotIn with exactly one value");
    }
    term.finish();
    return out;
}

PodAffinityTerm decode_pod_term(Decoder& term, bool required, std::int32_t weight) {
    PodAffinityTerm out;
    out.where = term.where();
    out.required = required;
    out.weight = weight;
    out.selects = term.has("labelSelector");
    out.selector = decode_label_selector(term.child("labelSelector"));
    out.topology_key = term.required_text("topologyKey");
    out.namespaces = term.texts("namespaces");
    if (term.has("namespaceSelector")) out.namespace_selector = decode_label_selector(term.child("namespaceSelector"));
    out.match_label_keys = term.texts("matchLabelKeys");
    out.mismatch_label_keys = term.texts("mismatchLabelKeys");
    if (!out.selects && !(out.match_label_keys.empty() && out.mismatch_label_keys.empty()))
        term.error("matchLabelKeys", "stands without labelSelector, allowed: with one");
    term.finish();
    return out;
}

std::int32_t decode_weight(Decoder& weighted) {
    if (!weighted.has("weight")) weighted.missing("weight", "an integer from 1 to 100");
    return weighted.int32("weight", 1, 100).value_or(1);
}

std::vector<PodAffinityTerm> decode_pod_terms(Decoder affinity) {
    std::vector<PodAffinityTerm> out;
    for (Decoder& term : affinity.children(required_terms)) out.push_back(decode_pod_term(term, true, 0));
    for (Decoder& weighted : affinity.children(preferred_terms)) {
        const std::int32_t weight = decode_weight(weighted);
        Decoder term = weighted.child("podAffinityTerm");
        out.push_back(decode_pod_term(term, false, weight));
        weighted.finish();
    }
    affinity.finish();
    return out;
}

void decode_affinity(Decoder affinity, PodTemplate& out) {
    Decoder node = affinity.child("nodeAffinity");
    Decoder terms = node.child(required_terms);
    if (node.has(required_terms) && !terms.has("nodeSelectorTerms")) terms.missing("nodeSelectorTerms", "at least one term");
    if (terms.has("nodeSelectorTerms") && terms.children("nodeSelectorTerms").empty()) terms.error("nodeSelectorTerms", "is empty, allowed: at least one term");
    for (Decoder& term : terms.children("nodeSelectorTerms")) out.required_node_affinity.push_back(decode_node_term(term));
    terms.finish();
    for (Decoder& weighted : node.children(preferred_terms)) {
        PreferredNodeTerm entry;
        entry.weight = decode_weight(weighted);
        Decoder preference = weighted.child("preference");
        entry.term = decode_node_term(preference);
        weighted.finish();
        out.preferred_node_affinity.push_back(std::move(entry));
    }
    node.finish();
    out.pod_affinity = decode_pod_terms(affinity.child("podAffinity"));
    out.pod_anti_affinity = decode_pod_terms(affinity.child("podAntiAffinity"));
    affinity.finish();
}

TopologySpread decode_spread(Decoder& item) {
    TopologySpread out;
    out.where = item.where();
    if (!item.has("maxSkew")) item.missing("maxSkew", "an integer of at least 1");
    out.max_skew = item.int32("maxSkew", 1).value_or(1);
    out.topology_key = item.required_text("topologyKey");
    if (!item.has("whenUnsatisfiable")) item.missing("whenUnsatisfiable", "DoNotSchedule or ScheduleAnyway");
    out.do_not_schedule = item.choice<bool>("whenUnsatisfiable", {{"DoNotSchedule", true}, {"ScheduleAnyway", false}}).value_or(true);
    out.selects = item.has("labelSelector");
    out.selector = decode_label_selector(item.child("labelSelector"));
    out.min_domains = item.int32("minDomains", 1).value_or(1);
    if (item.has("minDomains") && !out.do_not_schedule) item.error("minDomains", "stands beside ScheduleAnyway, allowed: with whenUnsatisfiable DoNotSchedule");
    out.match_label_keys = item.texts("matchLabelKeys");
    const std::vector<std::pair<std::string, bool>> policies = {{"Honor", true}, {"Ignore", false}};
    out.honors_affinity = item.choice("nodeAffinityPolicy", policies).value_or(true);
    out.honors_taints = item.choice("nodeTaintsPolicy", policies).value_or(false);
    item.finish();
    return out;
}

ConfigMapFiles config_map_files(const Node& source) {
    ConfigMapFiles out;
    out.name = source.text_at({"name"});
    if (const Node* items = source.find("items"))
        for (const Node& i : items->children) out.items[i.text_at({"key"})] = i.text_at({"path"});
    return out;
}

const std::vector<std::string> volume_sources = {"awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "fc", "flexVolume", "flocker", "gcePersistentDisk", "gitRepo",
                                                 "glusterfs", "iscsi", "photonPersistentDisk", "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
                                                 "emptyDir", "hostPath", "persistentVolumeClaim", "ephemeral", "nfs", "csi", "configMap", "secret", "projected", "downwardAPI", "image"};

Volume decode_volume(Decoder& item) {
    Volume out;
    out.where = item.where();
    out.name = item.required_text("name");
    const auto at = [&](const char* key, VolumeKind kind) {
        if (!item.take(key)) return false;
        out.kind = kind;
        return true;
    };
    // `emptyDir: {}` and `emptyDir:` both are directories.
    if (item.node().find("emptyDir")) {
        out.kind = VolumeKind::empty_dir;
        Decoder dir = item.child("emptyDir");
        const std::string medium = dir.text("medium").value_or("");
        if (medium == "Memory" || medium.starts_with("HugePages")) out.kind = VolumeKind::memory;
        else if (!medium.empty()) dir.error("medium", "found \"" + medium + "\", allowed: \"\", Memory, HugePages" + did_you_mean(medium, {"Memory"}));
        if (const auto size = dir.quantity("sizeLimit")) out.size_bytes = size->ceil();
        dir.finish();
    } else if (at("hostPath", VolumeKind::host_path)) {
        out.source = item.node().text_at({"hostPath", "path"});
    } else if (at("persistentVolumeClaim", VolumeKind::claim)) {
        Decoder claim = item.child("persistentVolumeClaim");
        out.claim = claim.required_text("claimName");
        claim.quiet({"readOnly"});
        claim.finish();
    } else if (at("ephemeral", VolumeKind::ephemeral)) {
        Decoder spec = item.child("ephemeral").child("volumeClaimTemplate").child("spec");
        out.storage_class = spec.text("storageClassName").value_or("");
        if (const auto size = spec.child("resources").child("requests").quantity("storage")) out.size_bytes = size->ceil();
    } else if (at("nfs", VolumeKind::nfs)) {
        out.source = item.node().text_at({"nfs", "server"}) + ":" + item.node().text_at({"nfs", "path"});
    } else if (at("csi", VolumeKind::csi)) {
        out.source = item.node().text_at({"csi", "driver"});
    } else {
        (void)(at("configMap", VolumeKind::config_map) || at("secret", VolumeKind::secret) || at("projected", VolumeKind::projected) ||
               at("downwardAPI", VolumeKind::downward_api) || at("image", VolumeKind::image));
        if (const Node* source = item.node().find("configMap")) out.config_maps.push_back(config_map_files(*source));
        const Node* projected = item.node().find("projected");
        const Node* sources = projected ? projected->find("sources") : nullptr;
        if (sources)
            for (const Node& s : sources->children)
                if (const Node* source = s.find("configMap")) out.config_maps.push_back(config_map_files(*source));
    }
    item.quiet(volume_sources);
    item.finish();
    const auto is_source = [](const Node& member) { return std::find(volume_sources.begin(), volume_sources.end(), member.key) != volume_sources.end(); };
    const auto& members = item.node().children;
    if (std::count_if(members.begin(), members.end(), is_source) > 1) {
        const auto second = std::find_if(std::find_if(members.begin(), members.end(), is_source) + 1, members.end(), is_source);
        item.error(second->key, "is a second source of the volume " + out.name + ", allowed: one");
    }
    return out;
}

/// Annotations that controllers read from pods.
void read_annotations(Decoder& metadata, PodTemplate& out) {
    Decoder annotations = metadata.child("annotations");
    const auto find = [&](const char* key) -> const std::string* {
        const auto found = out.annotations.find(key);
        return found == out.annotations.end() ? nullptr : &found->second;
    };
    if (const std::string* text = find("controller.kubernetes.io/pod-deletion-cost")) {
        const auto cost = to_integer(*text);
        if (cost && *cost >= INT32_MIN && *cost <= INT32_MAX) out.deletion_cost = static_cast<std::int32_t>(*cost);
        else annotations.error("controller.kubernetes.io/pod-deletion-cost", "found \"" + *text + "\", allowed: a 32-bit integer in quotes");
    }
    if (const std::string* text = find("cluster-autoscaler.kubernetes.io/safe-to-evict")) {
        if (*text == "true" || *text == "false") out.safe_to_evict = *text == "true";
        else annotations.error("cluster-autoscaler.kubernetes.io/safe-to-evict", "found \"" + *text + "\", allowed: \"true\" or \"false\"");
    }
    if (const std::string* text = find(pre_stop_annotation)) {
        out.pre_stop_time = declared_seconds(*text);
        if (!out.pre_stop_time) annotations.error(pre_stop_annotation, "found \"" + *text + "\", allowed: a number of seconds in quotes");
    }
    for (const char* key : {"karpenter.sh/do-not-disrupt", "karpenter.sh/do-not-evict", "karpenter.sh/do-not-consolidate"})
        if (const std::string* text = find(key); text && *text == "true") out.do_not_disrupt = true;
}

/// The containers' demands as the scheduler adds them up, KEP-753: sidecars that stand before an init
/// container run beside it. `get` gives the demand of a list, empty where it has none, which of a container
/// counts as `missing`.
template <class Get>
std::int64_t request_of(const PodTemplate& pod, Get get, bool pod_level, std::int64_t missing = 0) {
    const auto of = [&](const Container& c) { return get(c.resources).value_or(missing); };
    std::int64_t running = 0, sidecars = 0, peak = 0;
    for (const Container& c : pod.containers) running += of(c);
    for (const Container& c : pod.init_containers) {
        if (c.restartable_init) sidecars += of(c);
        peak = std::max(peak, sidecars + (c.restartable_init ? 0 : of(c)));
    }
    std::int64_t sum = std::max(running + sidecars, peak);
    if (pod_level && pod.pod_resources && get(*pod.pod_resources).value_or(0) > 0) sum = *get(*pod.pod_resources);
    return sum + get(pod.overhead).value_or(0);
}

std::optional<std::int64_t> cpu_request(const Resources& r) { return r.cpu_request_milli; }
std::optional<std::int64_t> memory_request(const Resources& r) { return r.memory_request_bytes; }

/// A pod's own resources. What they do not request its containers request together; where these request none, the limit
/// is the request (KEP-2837, defaultPodRequests [from general knowledge, not re-read, 2026-11]).
Resources decode_pod_resources(Decoder resources, const PodTemplate& pod) {
    Resources out = decode_resources(resources);
    Decoder requests = resources.child("requests");
    const std::pair<const char*, std::optional<std::int64_t> Resources::*> kinds[] = {{"cpu", &Resources::cpu_request_milli}, {"memory", &Resources::memory_request_bytes}};
    for (const auto& [name, of] : kinds) {
        const auto get = [of = of](const Resources& r) { return r.*of; };
        const auto states = [&](const Container& c) { return get(c.resources).has_value(); };
        if (std::none_of(pod.containers.begin(), pod.containers.end(), states) && std::none_of(pod.init_containers.begin(), pod.init_containers.end(), states)) continue;
        const std::int64_t sum = request_of(pod, get, false);
        if (!requests.has(name)) out.*of = sum;
        else if (out.*of && *(out.*of) < sum) resources.error("requests", std::string("asks for less ") + name + " than its containers together, allowed: at least their sum");
    }
    return out;
}

}  // namespace

std::int64_t PodTemplate::cpu_request_milli() const {
    return request_of(*this, cpu_request, true);
}
std::int64_t PodTemplate::memory_request_bytes() const {
    return request_of(*this, memory_request, true);
}
std::int64_t PodTemplate::cpu_limit_milli() const {
    const std::int64_t limit = request_of(*this, [](const Resources& r) { return r.cpu_limit_milli; }, true);
    return limit > 0 ? limit + overhead.cpu_request_milli.value_or(0) : 0;
}
std::int64_t PodTemplate::memory_limit_bytes() const {
    const std::int64_t limit = request_of(*this, [](const Resources& r) { return r.memory_limit_bytes; }, true);
    return limit > 0 ? limit + overhead.memory_request_bytes.value_or(0) : 0;
}
std::int64_t PodTemplate::ephemeral_storage_limit_bytes() const {
    const std::int64_t limit = request_of(*this, [](const Resources& r) { return r.ephemeral_storage_limit_bytes; }, false);
    return limit > 0 ? limit + overhead.ephemeral_storage_bytes.value_or(0) : 0;
}
std::int64_t PodTemplate::scored_cpu_milli() const {
    return request_of(*this, cpu_request, true, PodRules{}.scoring_cpu_milli);
}
std::int64_t PodTemplate::scored_memory_bytes() const {
    return request_of(*this, memory_request, true, PodRules{}.scoring_memory);
}
std::int64_t PodTemplate::ephemeral_storage_bytes() const {
    return request_of(*this, [](const Resources& r) { return r.ephemeral_storage_bytes; }, false);
}
std::int64_t PodTemplate::gpus() const {
    return request_of(*this, [](const Resources& r) { return std::optional(r.gpus()); }, false);
}
std::string PodTemplate::gpu_resource() const {
    for (const auto* list : {&containers, &init_containers})
        for (const Container& c : *list)
            if (std::string name = c.resources.gpu_resource(); !name.empty()) return name;
    return "";
}

std::map<std::string, std::int64_t> PodTemplate::extended_requests() const {
    std::map<std::string, std::int64_t> out;
    for (const auto* list : {&containers, &init_containers})
        for (const Container& c : *list)
            for (const auto& [name, amount] : c.resources.extended)
                if (amount > 0) out[name] = 0;
    for (auto& [name, amount] : out)
        amount = request_of(*this, [&key = name](const Resources& r) {
            const auto found = r.extended.find(key);
            return found == r.extended.end() ? std::nullopt : std::optional(found->second);
        }, false);
    return out;
}

Tick PodTemplate::lost_toleration() const {
    const Taint unreachable{"node.kubernetes.io/unreachable", "", TaintEffect::no_execute};
    bool tolerates = false;
    Tick shortest = never;
    for (const Toleration& t : tolerations) {
        if (!t.tolerates(unreachable)) continue;
        tolerates = true;
        if (t.toleration_time) shortest = min(shortest, *t.toleration_time);
    }
    return tolerates ? shortest : default_lost_toleration;
}

std::vector<HostPort> PodTemplate::host_ports() const {
    std::vector<HostPort> out;
    for (const auto* list : {&containers, &init_containers})
        for (const Container& c : *list) {
            if (list == &init_containers && !c.restartable_init) continue;
            out.insert(out.end(), c.host_ports.begin(), c.host_ports.end());
            if (host_network && c.host_ports.empty())
                for (const auto& [name, number] : c.ports) out.push_back({number, "TCP", "0.0.0.0"});
        }
    return out;
}

bool PodTemplate::best_effort() const {
    const auto states = [](const Resources& r) { return r.cpu_request_milli || r.cpu_limit_milli || r.memory_request_bytes || r.memory_limit_bytes; };
    if (pod_resources && states(*pod_resources)) return false;
    const auto any = [&](const std::vector<Container>& list) { return std::any_of(list.begin(), list.end(), [&](const Container& c) { return states(c.resources); }); };
    return !any(containers) && !any(init_containers);
}

bool PodTemplate::has_local_storage() const {
    std::vector<std::string> safe;
    if (const auto text = annotations.find("cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"); text != annotations.end()) {
        std::istringstream names(text->second);
        for (std::string name; std::getline(names, name, ',');) safe.push_back(name);
    }
    return std::any_of(volumes.begin(), volumes.end(), [&](const Volume& v) {
        return (v.kind == VolumeKind::empty_dir || v.kind == VolumeKind::host_path) && std::find(safe.begin(), safe.end(), v.name) == safe.end();
    });
}

std::optional<Tick> declared_seconds(const std::string& text) {
    const Node number = resolve_plain_scalar(text);
    const bool numeric = number.kind == Node::Kind::integer || number.kind == Node::Kind::number;
    if (!numeric || !(number.number >= 0 && number.number < static_cast<double>(longest_seconds))) return std::nullopt;
    return from_seconds(number.number);
}

PodTemplate decode_pod_template(Decoder pod_template, const std::vector<RestartPolicy>& allowed) {
    PodTemplate out;
    out.where = pod_template.where();
    Decoder metadata = pod_template.child("metadata");
    out.labels = metadata.text_map("labels");
    out.annotations = metadata.text_map("annotations");
    read_annotations(metadata, out);
    metadata.quiet({"name", "namespace", "creationTimestamp", "uid", "resourceVersion", "generation", "managedFields", "ownerReferences",
                    "finalizers", "generateName", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"});
    metadata.finish();
    if (!pod_template.has("spec")) pod_template.missing("spec", "the pod's spec");
    Decoder spec = pod_template.child("spec");
    out.path = spec.path();
    std::set<std::string> names;
    for (const char* list : {"containers", "initContainers"})
        for (Decoder& item : spec.children(list)) {
            Container container = decode_container(item);
            if (!container.name.empty() && !names.insert(container.name).second)
                item.error("name", "found \"" + container.name + "\" a second time, allowed: each container's name once");
            const bool init = std::string(list) == "initContainers";
            if (init && !container.restartable_init && (container.startup_probe || container.readiness_probe || container.liveness_probe))
                item.error("", "has a probe, allowed on an init container only with restartPolicy Always");
            if (!init && container.restartable_init) item.error("restartPolicy", "stands on a container, allowed: on init containers (sidecars)");
            if (container.pre_stop && !container.pre_stop->time && !container.pre_stop->waits_until_idle) container.pre_stop->time = out.pre_stop_time;
            (init ? out.init_containers : out.containers).push_back(std::move(container));
        }
    if (pod_template.has("spec") && out.containers.empty()) spec.missing("containers", "at least one container");
    if (spec.has("resources")) out.pod_resources = decode_pod_resources(spec.child("resources"), out);
    decode_resource_list(spec.child("overhead"), false, out.overhead);
    out.node_selector = spec.text_map("nodeSelector");
    out.node_name = spec.text("nodeName").value_or("");
    decode_affinity(spec.child("affinity"), out);
    std::set<std::pair<std::string, bool>> spreads;
    for (Decoder& item : spec.children("topologySpreadConstraints")) {
        const TopologySpread rule = decode_spread(item);
        if (!spreads.insert({rule.topology_key, rule.do_not_schedule}).second)
            item.error("topologyKey", "found " + rule.topology_key + " a second time with the same whenUnsatisfiable, allowed: each such pair once");
        out.topology_spread.push_back(rule);
    }
    std::map<std::tuple<std::int32_t, std::string, std::string>, std::string> takers;  // of host ports
    for (const Container& c : out.containers)
        for (const HostPort& port : c.host_ports)
            if (const auto [taker, first] = takers.try_emplace({port.port, port.protocol, port.ip}, c.name); !first)
                spec.error("containers", "take the host port " + std::to_string(port.port) + " twice (" + taker->second + ", " + c.name + "), allowed: each port of the node once");
    out.tolerations = decode_tolerations(spec, "tolerations");
    out.priority_class = spec.text("priorityClassName").value_or("");
    out.priority = spec.int32("priority", INT32_MIN);
    out.preempts = spec.choice<bool>("preemptionPolicy", {{"PreemptLowerPriority", true}, {"Never", false}});
    out.scheduler_name = spec.text("schedulerName").value_or("default-scheduler");
    for (Decoder& gate : spec.children("schedulingGates")) out.scheduling_gates.push_back(gate.required_text("name"));
    for (Decoder& gate : spec.children("readinessGates")) out.readiness_gates.push_back(gate.required_text("conditionType"));
    for (Decoder& claim : spec.children("resourceClaims")) out.resource_claims.push_back(claim.required_text("name"));
    std::set<std::string> volumes;
    for (Decoder& item : spec.children("volumes")) {
        out.volumes.push_back(decode_volume(item));
        if (const std::string& name = out.volumes.back().name; !name.empty() && !volumes.insert(name).second)
            item.error("name", "found \"" + name + "\" a second time, allowed: each volume's name once");
    }
    out.termination_grace = spec.whole_seconds("terminationGracePeriodSeconds", 0).value_or(seconds(30));
    out.runtime_class = spec.text("runtimeClassName").value_or("");
    out.host_network = spec.boolean("hostNetwork").value_or(false);
    if (const auto time = spec.whole_seconds("activeDeadlineSeconds", 1)) out.active_deadline = *time;
    const std::vector<std::pair<std::string, RestartPolicy>> policies = {{"Always", RestartPolicy::always}, {"OnFailure", RestartPolicy::on_failure}, {"Never", RestartPolicy::do_not}};
    if (const auto policy = spec.choice("restartPolicy", policies)) {
        out.restart_policy = *policy;
        std::string names_of_allowed;
        for (const auto& [name, value] : policies)
            if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) names_of_allowed += (names_of_allowed.empty() ? "" : " or ") + name;
        if (std::find(allowed.begin(), allowed.end(), *policy) == allowed.end())
            spec.error("restartPolicy", "found " + spec.text("restartPolicy").value_or("") + ", allowed here: " + names_of_allowed);
    } else if (std::find(allowed.begin(), allowed.end(), RestartPolicy::always) == allowed.end() && pod_template.has("spec") && !spec.has("restartPolicy")) {
        spec.missing("restartPolicy", "OnFailure or Never");
    }
    spec.unsupported({"schedulingGroup"}, "groups of pods that are scheduled together");
    spec.harmless({"hostIPC", "hostPID", "shareProcessNamespace", "dnsConfig", "hostUsers", "securityContext", "subdomain", "hostname", "hostAliases",
                   "setHostnameAsFQDN", "os", "hostnameOverride", "workloadRef"});
    spec.quiet({"serviceAccountName", "serviceAccount", "automountServiceAccountToken", "imagePullSecrets", "dnsPolicy", "enableServiceLinks", "ephemeralContainers"});
    spec.finish();
    pod_template.quiet({"apiVersion", "kind", "status"});
    pod_template.finish();
    return out;
}

}  // namespace windtunnel
