// Which labels a monitor gives the series of the pods it selects: prometheus-operator, pkg/prometheus/promcfg.go
// (v0.80, 2025) for the defaults, prometheus/prometheus, model/relabel/relabel.go (v2.42) for the rules.
#include "scenarios/compile/scrape_targets.hpp"

#include "scenarios/node_labels.hpp"

#include "policies/promql_labels.hpp"

#include <algorithm>
#include <cctype>
#include <regex>

namespace windtunnel {
namespace {

/// A replacement with $1 and ${1} filled in.
std::string expanded(const std::string& replacement, const std::smatch& found) {
    std::string out;
    for (std::size_t i = 0; i < replacement.size(); ++i) {
        const bool group = replacement[i] == '$' && i + 1 < replacement.size();
        const bool braces = group && replacement[i + 1] == '{';
        const std::size_t digit = i + (braces ? 2 : 1);
        if (!group || digit >= replacement.size() || std::isdigit(static_cast<unsigned char>(replacement[digit])) == 0) {
            out += replacement[i];
            continue;
        }
        const auto number = static_cast<std::size_t>(replacement[digit] - '0');
        if (number < found.size()) out += found[number].str();
        i = digit + (braces ? 1 : 0);
    }
    return out;
}

void set_label(LabelSet& labels, const std::string& name, const std::string& value) {
    if (value.empty())
        labels.erase(name);
    else
        labels[name] = value;
}

std::string lowered(std::string text, bool down) {
    std::transform(text.begin(), text.end(), text.begin(), [down](char c) {
        const auto u = static_cast<unsigned char>(c);
        return static_cast<char>(down ? std::tolower(u) : std::toupper(u));
    });
    return text;
}

/// One rule. False: the target, or the series, is dropped.
bool apply(const RelabelRule& rule, LabelSet& labels) {
    const std::regex pattern(rule.regex);
    std::smatch found;
    if (rule.action == "labelmap") {
        LabelSet made;
        for (const auto& [name, value] : labels)
            if (std::regex_match(name, found, pattern)) made[expanded(rule.replacement, found)] = value;
        for (const auto& [name, value] : made) labels[name] = value;
        return true;
    }
    if (rule.action == "labeldrop" || rule.action == "labelkeep") {
        const bool drops = rule.action == "labeldrop";
        std::erase_if(labels, [&](const auto& l) {
            return l.first != "__name__" && std::regex_match(l.first, pattern) == drops;
        });
        return true;
    }
    std::string value;
    bool of_pod = false;
    for (std::size_t i = 0; i < rule.sources.size(); ++i) {
        const auto label = labels.find(rule.sources[i]);
        if (i > 0) value += rule.separator;
        if (label == labels.end()) continue;
        of_pod = of_pod || label->second == pod_label_placeholder;
        value += label->second;
    }
    if (of_pod) {
        // A label of the pod's own can be copied whole; what would depend on its value is left as it is.
        const bool copies = rule.sources.size() == 1 && (rule.action == "replace") && rule.regex.starts_with("(.") &&
                            (rule.replacement == "$1" || rule.replacement == "${1}");
        if (copies && !rule.target.empty()) labels[rule.target] = pod_label_placeholder;
        return true;
    }
    const bool matches = std::regex_match(value, found, pattern);
    const auto target = labels.find(rule.target);
    const std::string at_target = target == labels.end() ? "" : target->second;
    if (rule.action == "keep") return matches;
    if (rule.action == "drop") return !matches;
    if (rule.action == "keepequal") return value == at_target;
    if (rule.action == "dropequal") return value != at_target;
    if (rule.target.empty()) return true;
    if (rule.action == "lowercase" || rule.action == "uppercase")
        set_label(labels, rule.target, lowered(value, rule.action == "lowercase"));
    else if (rule.action == "replace" && matches)
        set_label(labels, rule.target, expanded(rule.replacement, found));
    return true;
}

const Service* service_of(const Scenario& scenario, const MetricsMonitor& monitor, const WorkloadObject& w) {
    for (const Service& s : scenario.manifests.services) {
        LabelSelector pods;
        pods.match_labels = s.selector;
        if (s.meta.name_space == w.meta.name_space && !pods.empty() && monitor.selector.matches(s.meta.labels) &&
            pods.matches(w.pod.labels))
            return &s;
    }
    return nullptr;
}

/// What service discovery knows of a target, as far as it is the same for all of a workload's pods.
LabelSet discovered(const WorkloadObject& w, const Service* service) {
    LabelSet out;
    const std::string pod = "__meta_kubernetes_pod_";
    for (const auto& [name, value] : w.pod.labels) out[pod + "label_" + sanitized_label(name)] = value;
    for (const auto& [name, value] : w.pod.annotations) out[pod + "annotation_" + sanitized_label(name)] = value;
    out["__meta_kubernetes_namespace"] = w.meta.name_space;
    for (const char* name : {"name", "ip", "node_name", "uid", "host_ip"}) out[pod + name] = pod_label_placeholder;
    out[pod + "controller_kind"] = w.meta.kind == "Deployment" ? "ReplicaSet" : w.meta.kind;
    out["__address__"] = pod_label_placeholder;
    if (service == nullptr) return out;
    out["__meta_kubernetes_service_name"] = service->meta.name;
    for (const auto& [name, value] : service->meta.labels)
        out["__meta_kubernetes_service_label_" + sanitized_label(name)] = value;
    return out;
}

}  // namespace

std::string sanitized_label(const std::string& name) {
    std::string out = name;
    for (char& c : out)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    return out;
}

std::optional<LabelSet> relabelled(const std::vector<RelabelRule>& rules, LabelSet labels) {
    for (const RelabelRule& rule : rules)
        if (!apply(rule, labels)) return std::nullopt;
    return labels;
}

std::optional<LabelSet> endpoint_labels_of(const Scenario& scenario, const WorkloadObject& w) {
    for (const MetricsMonitor* monitor : scenario.monitors_of(w)) {
        const bool google = monitor->meta.kind == "PodMonitoring" || monitor->meta.kind == "ClusterPodMonitoring";
        const Service* service = monitor->selects_services ? service_of(scenario, *monitor, w) : nullptr;
        LabelSet labels = discovered(w, service);
        labels["namespace"] = w.meta.name_space;
        labels["pod"] = pod_label_placeholder;
        if (!w.pod.containers.empty())
            labels["container"] = w.pod.containers[std::min(w.server_container, w.pod.containers.size() - 1)].name;
        if (service != nullptr) labels["service"] = service->meta.name;
        if (!monitor->port.empty() && !google) labels["endpoint"] = monitor->port;
        const std::string own = google ? monitor->meta.name : monitor->meta.name_space + "/" + monitor->meta.name;
        labels["job"] = service != nullptr ? service->meta.name : own;
        if (!monitor->job_label.empty())
            if (const std::string job = label_value(service != nullptr ? service->meta.labels : w.pod.labels, monitor->job_label);
                !job.empty())
                labels["job"] = job;
        for (const std::string& name : monitor->target_labels)
            if (service != nullptr) set_label(labels, sanitized_label(name), label_value(service->meta.labels, name));
        for (const auto& [from, to] : monitor->pod_target_labels)
            set_label(labels, sanitized_label(to), label_value(w.pod.labels, from));
        std::optional<LabelSet> made = relabelled(monitor->relabelings, std::move(labels));
        if (!made) continue;  // it drops the target
        std::erase_if(*made, [](const auto& l) { return l.first.starts_with("__"); });
        if (!made->contains("instance")) (*made)["instance"] = pod_label_placeholder;
        return made;
    }
    return std::nullopt;
}

}  // namespace windtunnel
