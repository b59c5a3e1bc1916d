#include "scenarios/kubernetes/cluster_autoscaler_flags.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <regex>
#include <set>

#include "scenarios/commands/command_line.hpp"

namespace windtunnel {
namespace {

std::optional<std::int32_t> whole(std::string_view text) {
    std::int32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// 1.x of "registry.k8s.io/autoscaling/cluster-autoscaler:v1.30.2".
std::optional<std::int32_t> minor_version(const std::string& image) {
    const std::size_t colon = image.rfind(':');
    if (colon == std::string::npos || image.find('/', colon) != std::string::npos) return std::nullopt;
    std::string tag = image.substr(colon + 1);
    if (tag.starts_with('v')) tag.erase(0, 1);
    if (!tag.starts_with("1.")) return std::nullopt;
    const std::size_t end = tag.find_first_not_of("0123456789", 2);
    return whole(std::string_view(tag).substr(2, end == std::string::npos ? end : end - 2));
}

class AutoscalerFlagReader {
public:
    AutoscalerFlagReader(ClusterAutoscalerSettings& out, const Container& container, Findings& findings) : m_out(out), m_container(container), m_findings(findings) {}

    void read(const std::vector<std::string>& words) {
        for (std::size_t i = 1; i < words.size(); ++i) {
            const std::string& word = words[i];
            const std::size_t dashes = word.find_first_not_of('-');
            if (word.empty() || dashes == 0 || dashes == std::string::npos) {
                error(word, "an argument that starts with --");
                continue;
            }
            const std::size_t equals = word.find('=');
            const std::string name = word.substr(dashes, equals == std::string::npos ? equals : equals - dashes);
            std::optional<std::string> value;
            if (equals != std::string::npos) value = word.substr(equals + 1);
            else if (!is_switch(name) && i + 1 < words.size() && !words[i + 1].starts_with("-")) value = words[++i];
            flag(name, value);
        }
    }

private:
    static bool is_switch(const std::string& name) {
        static const std::set<std::string> names = {
            "balance-similar-node-groups", "skip-nodes-with-system-pods", "skip-nodes-with-local-storage", "skip-nodes-with-custom-controller-pods",
            "scale-down-enabled", "scale-down-unready-enabled", "ignore-daemonsets-utilization", "ignore-mirror-pods-utilization", "frequent-loops-enabled",
            "logtostderr", "alsologtostderr", "leader-elect", "write-status-configmap", "aws-use-static-instance-list", "one-output", "profiling",
            "expendable-pods", "parallel-scale-up", "salvo-scale-up", "enforce-node-group-min-size", "scale-up-from-zero", "debugging-snapshot-enabled",
            "emit-per-nodegroup-metrics", "record-duplicated-events", "regional", "daemonset-eviction-for-empty-nodes", "daemonset-eviction-for-occupied-nodes"};
        return names.contains(name);
    }

    void error(const std::string& found, const std::string& allowed) {
        m_findings.errors.push_back({m_container.where, m_container.path, fmt::format("found {}, allowed: {}", found, allowed)});
    }

    void flag(const std::string& name, const std::optional<std::string>& value) {
        const std::string text = value.value_or("");
        const std::string shown = "--" + name + (value ? "=" + text : "");
        const auto time = [&](Tick& to) {
            if (const auto parsed = parse_go_duration(text); parsed && parsed->count >= 0) to = *parsed;
            else error(shown, "a duration such as 10s or 5m30s");
        };
        const auto number = [&](std::int32_t& to, std::int32_t least) {
            if (const auto parsed = whole(text); parsed && *parsed >= least) to = *parsed;
            else error(shown, fmt::format("an integer of at least {}", least));
        };
        const auto flip = [&](bool& to) {
            if (!value || text == "true" || text == "1" || text == "t") to = true;
            else if (text == "false" || text == "0" || text == "f") to = false;
            else error(shown, "true or false");
        };
        const auto up_to = [&](double most, double& to, const char* allowed) {
            const Node n = resolve_plain_scalar(text);
            if ((n.kind == Node::Kind::number || n.kind == Node::Kind::integer) && n.number >= 0 && n.number <= most) to = n.number;
            else error(shown, allowed);
        };
        const auto share = [&](double& to) { up_to(1, to, "a share from 0 to 1"); };
        const auto percentage = [&](double& to) { up_to(100, to, "a percentage from 0 to 100"); };
        /// A switch that is simulated in one position only.
        const auto fixed = [&](bool neutral, const char* what) {
            bool on = neutral;
            flip(on);
            if (on != neutral) error(shown, fmt::format("{} is not simulated; {}", what, neutral ? "true" : "false"));
        };
        ClusterAutoscalerSettings& o = m_out;
        if (name == "scan-interval") time(o.loop.scan_interval);
        else if (name == "frequent-loops-enabled") flip(o.loop.frequent_loops);
        else if (name == "new-pod-scale-up-delay") time(o.loop.new_pod_scale_up_delay);
        else if (name == "expendable-pods-priority-cutoff") number(o.loop.expendable_priority, INT32_MIN);
        else if (name == "max-nodes-per-scaleup") number(o.loop.max_nodes_per_scale_up, 0);
        else if (name == "max-node-provision-time") time(o.loop.max_node_provision_time);
        else if (name == "scale-down-enabled") flip(o.scale_down_enabled);
        else if (name == "scale-down-delay-after-add") time(o.scale_down.delay_after_add);
        else if (name == "scale-down-delay-after-delete") time(o.scale_down.delay_after_delete);
        else if (name == "scale-down-delay-after-failure") time(o.scale_down.delay_after_failure);
        else if (name == "scale-down-unneeded-time") time(o.scale_down.unneeded_time);
        else if (name == "scale-down-unready-time") time(o.scale_down.unready_time);
        else if (name == "scale-down-unready-enabled") flip(o.scale_down.unready_enabled);
        else if (name == "scale-down-utilization-threshold") share(o.scale_down.utilization_threshold);
        else if (name == "scale-down-gpu-utilization-threshold") share(o.scale_down.gpu_utilization_threshold);
        else if (name == "ignore-daemonsets-utilization") flip(o.scale_down.ignore_daemonsets);
        else if (name == "ignore-mirror-pods-utilization") flip(o.scale_down.ignore_mirror_pods);
        else if (name == "initial-node-group-backoff-duration") time(o.backoff.initial);
        else if (name == "max-node-group-backoff-duration") time(o.backoff.longest);
        else if (name == "node-group-backoff-reset-timeout") time(o.backoff.reset_after);
        else if (name == "balance-similar-node-groups") flip(o.balance_similar_groups);
        else if (name == "skip-nodes-with-system-pods") flip(o.skip_system_pods);
        else if (name == "skip-nodes-with-local-storage") flip(o.skip_local_storage);
        else if (name == "skip-nodes-with-custom-controller-pods") flip(o.skip_custom_controller_pods);
        else if (name == "max-scale-down-parallelism" || name == "max-empty-bulk-delete") number(o.max_scale_down_parallelism, 1);
        else if (name == "max-drain-parallelism") number(o.max_drain_parallelism, 1);
        else if (name == "max-pod-eviction-time") time(o.max_pod_eviction);
        else if (name == "unremovable-node-recheck-timeout") time(o.unremovable_recheck);
        else if (name == "ok-total-unready-count") number(o.loop.ok_total_unready, 0);
        else if (name == "max-total-unready-percentage") percentage(o.loop.max_total_unready_percentage);
        else if (name == "max-nodes-total") number(o.max_nodes_total, 0);
        else if (name == "max-graceful-termination-sec") {
            std::int32_t s = 600;
            number(s, 0);
            o.max_graceful_termination = seconds(s);
        } else if (name == "nodes") group(text);
        else if (name == "node-group-auto-discovery") o.auto_discovery.push_back(text);
        else if (name == "expander") expander(text);
        else if (name == "salvo-scale-up") fixed(false, name.c_str());
        else if (name == "cores-total" || name == "memory-total" || name == "gpu-total") error(shown, "limits of the whole cluster are not simulated; leave it out and bound the groups");
        else other(name, shown);
    }

    void group(const std::string& text) {
        const std::size_t first = text.find(':'), second = first == std::string::npos ? first : text.find(':', first + 1);
        const auto least = second == std::string::npos ? std::nullopt : whole(text.substr(0, first));
        const auto most = second == std::string::npos ? std::nullopt : whole(text.substr(first + 1, second - first - 1));
        if (!least || !most || *least < 0 || second + 1 >= text.size()) error("--nodes=" + text, "--nodes=MIN:MAX:NAME");
        else if (*least > *most) error("--nodes=" + text, "a minimum that is at most the maximum");
        else m_out.groups.push_back({*least, *most, text.substr(second + 1)});
    }

    void expander(const std::string& text) {
        static const std::vector<std::pair<std::string, CaExpander>> known = {{"random", CaExpander::random}, {"least-waste", CaExpander::least_waste},
                                                                              {"most-pods", CaExpander::most_pods}, {"least-nodes", CaExpander::least_nodes},
                                                                              {"price", CaExpander::price}, {"priority", CaExpander::priority}};
        m_out.expanders.clear();
        std::size_t from = 0;
        while (from <= text.size()) {
            const std::size_t comma = std::min(text.find(',', from), text.size());
            const std::string name = text.substr(from, comma - from);
            const auto row = std::find_if(known.begin(), known.end(), [&](const auto& k) { return k.first == name; });
            std::vector<std::string> names;
            for (const auto& k : known) names.push_back(k.first);
            if (row == known.end()) error("--expander=" + text, join(names) + (name == "grpc" ? "; an expander of one's own is not simulated" : did_you_mean(name, names)));
            else m_out.expanders.push_back(row->second);
            from = comma + 1;
        }
    }

    /// Flags that say where it runs, what it logs and whom it talks to.
    void other(const std::string& name, const std::string& shown) {
        static const std::vector<std::string> harmless = {
            "v", "logtostderr", "alsologtostderr", "stderrthreshold", "log-file", "log_dir", "log-dir", "vmodule", "one-output", "logging-format", "cloud-provider", "cloud-config",
            "kubeconfig", "kubernetes", "namespace", "cluster-name", "leader-elect", "leader-elect-lease-duration", "leader-elect-renew-deadline",
            "leader-elect-retry-period", "leader-elect-resource-lock", "leader-elect-resource-name", "leader-elect-resource-namespace", "address", "profiling",
            "write-status-configmap", "status-config-map-name", "aws-use-static-instance-list", "kube-client-qps", "kube-client-burst", "regional",
            "max-inactivity", "max-failing-time", "parallel-scale-up", "node-info-cache-expire-time", "kube-api-content-type", "cluster-snapshot-parallelism",
            "predicate-parallelism", "dynamic-node-delete-delay-after-taint-enabled", "scale-down-simulation-timeout", "max-binpacking-time", "max-nodegroup-binpacking-duration", "record-duplicated-events", "emit-per-nodegroup-metrics", "debugging-snapshot-enabled", "user-agent", "gce-concurrent-refreshes"};
        static const std::vector<std::string> not_simulated = {
            "balancing-ignore-label", "balancing-label", "ignore-taint", "startup-taint", "status-taint", "enforce-node-group-min-size", "node-delete-delay-after-taint",
            "memory-difference-ratio", "max-free-difference-ratio", "max-allocatable-difference-ratio", "feature-gates", "enable-dynamic-resource-allocation",
            "enable-provisioning-requests", "drain-priority-config", "scale-down-delay-type-local", "force-ds", "bypassed-scheduler-names", "max-node-startup-time", "daemonset-eviction-for-empty-nodes", "daemonset-eviction-for-occupied-nodes",
            "node-deletion-delay-timeout", "node-deletion-batcher-interval", "scale-down-non-empty-candidates-count", "scale-down-candidates-pool-ratio", "scale-down-candidates-pool-min-count",
            "estimator", "min-replica-count",
            "scale-up-from-zero", "max-bulk-soft-taint-count", "max-bulk-soft-taint-time", "cordon-node-before-terminating"};
        if (std::find(not_simulated.begin(), not_simulated.end(), name) != not_simulated.end()) {
            m_findings.warnings.push_back({m_container.where, m_container.path, shown + " is not simulated: what it decides is left out"});
            return;
        }
        if (std::find(harmless.begin(), harmless.end(), name) != harmless.end()) {
            m_findings.notes.push_back({m_container.where, m_container.path, shown + " does not change the result"});
            return;
        }
        std::vector<std::string> names = harmless;
        names.insert(names.end(), not_simulated.begin(), not_simulated.end());
        for (const char* used : {"scan-interval", "expander", "nodes", "node-group-auto-discovery", "max-node-provision-time", "scale-down-enabled", "scale-down-delay-after-add",
                                 "scale-down-delay-after-delete", "scale-down-delay-after-failure", "scale-down-unneeded-time", "scale-down-unready-time",
                                 "scale-down-utilization-threshold", "scale-down-gpu-utilization-threshold", "balance-similar-node-groups", "skip-nodes-with-system-pods",
                                 "skip-nodes-with-local-storage", "max-graceful-termination-sec", "max-nodes-total", "new-pod-scale-up-delay"})
            names.emplace_back(used);
        error(shown, "a flag of the cluster-autoscaler that is known" + did_you_mean(name, names));
    }

    ClusterAutoscalerSettings& m_out;
    const Container& m_container;
    Findings& m_findings;
};

}  // namespace

std::optional<ClusterAutoscalerSettings> read_cluster_autoscaler(const Container& container, const ObjectMeta& meta, Findings& findings) {
    std::vector<std::string> words = container.command;
    const bool by_image = container.image.find("/cluster-autoscaler") != std::string::npos || container.image.starts_with("cluster-autoscaler");
    if (words.empty() && by_image) words.emplace_back("cluster-autoscaler");  // the image's entry point
    words.insert(words.end(), container.args.begin(), container.args.end());
    Environment environment;
    for (const EnvironmentVariable& v : container.environment)
        if (v.known) environment[v.name] = v.value;
    for (std::string& word : words) word = expand_kubernetes(word, environment);
    words = find_command(words, environment, [](const std::vector<std::string>& command) {
        return !command.empty() && command[0].substr(command[0].rfind('/') + 1) == "cluster-autoscaler";
    });
    if (words.empty()) return std::nullopt;
    ClusterAutoscalerSettings out;
    out.meta = meta;
    out.where = container.where;
    if (const auto minor = minor_version(container.image)) out.minor_version = *minor;
    else findings.notes.push_back({container.where, container.path, "names no version of the cluster-autoscaler: the defaults of 1.37 hold"});
    // Defaults that changed (kubernetes.md 10.1): the expander with 1.33, frequent loops with 1.35.
    out.expanders = {out.minor_version >= 33 ? CaExpander::least_waste : CaExpander::random};
    out.loop.frequent_loops = out.minor_version >= 35;
    AutoscalerFlagReader(out, container, findings).read(words);
    return out;
}

std::map<std::int32_t, std::vector<std::string>> read_expander_priorities(const std::string& text, const SourcePosition& where, Findings& findings) {
    std::map<std::int32_t, std::vector<std::string>> out;
    const auto wrong = [&](const std::string& message) { findings.errors.push_back({where, "data.priorities", message}); };
    const auto documents = parse_documents(text, where.file);
    if (!documents || documents->size() != 1 || !documents->front().root.is_map()) {
        wrong("found no map, allowed: PRIORITY: a list of regular expressions");
        return out;
    }
    for (const Node& member : documents->front().root.children) {
        const auto priority = whole(member.key);
        if (!priority || *priority < 1 || !member.is_list()) {
            wrong("found " + member.key + ": " + describe(member) + ", allowed: a priority from 1 with a list of regular expressions");
            continue;
        }
        for (const Node& item : member.children) {
            try {
                const std::regex checked(item.text);
                out[*priority].push_back(item.text);
            } catch (const std::regex_error&) {
                wrong("found \"" + item.text + "\", allowed: a regular expression such as .*spot.*");
            }
        }
    }
    return out;
}

}  // namespace windtunnel
