#pragma once
#include "scenarios/documents/decoder.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

#include <map>
#include <optional>
#include <regex>
#include <string>
#include <vector>

namespace windtunnel {

/// A recording rule of a PrometheusRule (or of a rule file).
struct RecordingRule {
    std::string name;
    std::string expression;
    std::map<std::string, std::string> labels;  ///< set on what it records
    SourcePosition where;
};

/// An alerting rule of one.
struct AlertingRule {
    std::string name;
    std::string expression;
    std::string group;
    std::string severity;           ///< its label; "" = none
    std::map<std::string, std::string> labels;  ///< set on its alerts
    std::optional<Tick> interval;   ///< its group's; empty: Prometheus' evaluation_interval
    Tick hold_for{0};               ///< `for`
    Tick keep_firing_for{0};
    SourcePosition where;
};

/// The rules of one object or file, in its order.
struct PrometheusRules {
    std::vector<RecordingRule> recording;
    std::vector<AlertingRule> alerting;

    [[nodiscard]] bool empty() const { return recording.empty() && alerting.empty(); }
    void add(PrometheusRules more);
};

/// One rule of prometheus-adapter's config (kubernetes-sigs/prometheus-adapter, docs/config.md, v0.12): under
/// which name of the metrics API which series are found, and how they are asked for.
struct AdapterRule {
    bool external = false;            ///< of externalRules
    std::string series_name;          ///< the metric's name in seriesQuery; "" = any
    std::string series_matchers;      ///< what seriesQuery has in braces, without a matcher on the name
    std::string name_pattern = ".*";  ///< of the series' names: from seriesQuery's __name__
    std::vector<std::pair<bool, std::string>> filters;  ///< seriesFilters: is (true) or isNot, a pattern
    std::string matches;              ///< name.matches; "" = everything
    std::string as;                   ///< name.as; "" = $0, or $1 where `matches` has a group
    std::string query;                ///< metricsQuery, a template
    std::map<std::string, std::string> labels;  ///< resource ("pod", "namespace") -> label of the series
    SourcePosition where;

    /// The name in the metrics API of a series, or nullopt where the rule is not about it.
    [[nodiscard]] std::optional<std::string> metric_of(const std::string& series) const;
    /// The query for a series: `matchers` ("a=\"b\",c=\"d\"") and the resource by which it is grouped ("" = none).
    [[nodiscard]] std::string query_of(const std::string& series, const std::string& matchers,
                                       const std::string& resource) const;
    /// The label of a resource, as `resources` says.
    [[nodiscard]] std::string label_of(const std::string& resource) const;
};

/// Reads `groups` below `owner`.
[[nodiscard]] PrometheusRules decode_rule_groups(Decoder& owner);

/// A duration as Prometheus writes it ("5m", "1h30m", "1d", "0"), or what a Decoder's getters say of a wrong one.
[[nodiscard]] std::optional<Tick> prometheus_duration(Decoder& owner, const std::string& key);

/// Rule files of Prometheus among a ConfigMap's texts.
[[nodiscard]] PrometheusRules decode_rule_config(const Node& config_map, const std::string& file, Findings& findings);
/// The rules of a ConfigMap of prometheus-adapter; empty where it is none.
[[nodiscard]] std::vector<AdapterRule> decode_adapter_config(const Node& config_map, const std::string& file,
                                                             Findings& findings);

}  // namespace windtunnel
