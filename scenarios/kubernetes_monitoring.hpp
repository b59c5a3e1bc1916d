#pragma once
#include "scenarios/decoder.hpp"
#include "scenarios/kubernetes_pods.hpp"

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
    SourcePosition where;
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

/// Recording rules of a PrometheusRule; alerts are left aside with a note. Reads `groups` below `owner`.
[[nodiscard]] std::vector<RecordingRule> decode_rule_groups(Decoder& owner);

/// Rule files of Prometheus among a ConfigMap's texts: their recording rules.
[[nodiscard]] std::vector<RecordingRule> decode_rule_config(const Node& config_map, const std::string& file, Findings& findings);
/// The rules of a ConfigMap of prometheus-adapter; empty where it is none.
[[nodiscard]] std::vector<AdapterRule> decode_adapter_config(const Node& config_map, const std::string& file,
                                                             Findings& findings);

}  // namespace windtunnel
