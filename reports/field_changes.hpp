#pragma once
#include "scenarios/scenario.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace windtunnel {

/// A field that two configurations have differently.
struct FieldChange {
    std::string object;  ///< "HorizontalPodAutoscaler/chat", or "scenario"
    std::string path;    ///< "spec.maxReplicas"; "" = the whole object
    std::string before, after;  ///< as JSON writes it, without quotes; "" = it was not there
    char sign = '~';     ///< '~' changed, '+' added, '-' removed
};

/// What differs between two scenarios and their manifests as they were decoded (canonical_json), in order.
[[nodiscard]] std::vector<FieldChange> field_changes(const Scenario& base, const Scenario& candidate);

/// The same of any two documents.
[[nodiscard]] std::vector<FieldChange> document_changes(const nlohmann::ordered_json& base,
                                                        const nlohmann::ordered_json& candidate);

}  // namespace windtunnel
